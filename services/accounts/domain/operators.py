"""The operator: from where they may come, what they may ask for, and what is written down of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from shared.ids import AccountId

TOKENS_MAX = 10**12
"""Of one adjustment or grant: far above any sale, far below what Redis counts exactly."""
GRANT_DAYS_MAX = 3650
ADMIN_SESSION_LIFETIME = timedelta(hours=12)
SCRIPT_ADMIN_SESSION_LIFETIME = timedelta(minutes=10)
"""Where nothing says that a browser asked: programs open the panel with the key, too, again and again."""
ADMIN_SESSIONS_MAX = 100
"""A new one ends what would end first: programs never crowd out the operator's browsers."""

Door = Literal["key", "session"]
Outcome = Literal["done", "refused", "failed"]
Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts, as far as one shared key tells: by which door, from which address."""

    signed_in_by: Door
    client_address: str


@dataclass(frozen=True, slots=True)
class Action:
    """`action_id` makes it once only: a form that is sent again is the same action."""

    action_id: UUID
    name: str
    operator: Operator
    account_id: AccountId | None
    what: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActionSeen:
    """A line of the audit log. `outcome` None: it was cut short."""

    begun_at: datetime
    signed_in_by: str
    client_address: str
    action: str
    account_id: str | None
    user_id: int | None
    what: Facts
    before: Facts
    outcome: str | None
    after: Facts | None


@dataclass(frozen=True, slots=True)
class BadNumber:
    field: str
    reason: str


def read_delta(text: str) -> int | BadNumber:
    """Of the paid balance: not zero, with or without a sign."""
    value = _read_integer(text)
    if value is None or value == 0:
        return BadNumber("delta", "delta is the tokens to add, or with a minus sign to take away: not zero.")
    if abs(value) > TOKENS_MAX:
        return BadNumber("delta", f"delta is at most {TOKENS_MAX} tokens.")
    return value


def read_positive(name: str, text: str, *, at_most: int) -> int | BadNumber:
    value = _read_integer(text)
    if value is None or not 1 <= value <= at_most:
        return BadNumber(name, f"{name} is a whole number from 1 to {at_most}.")
    return value


def _read_integer(text: str) -> int | None:
    text = text.strip()
    digits = text[1:] if text.startswith(("-", "+")) else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        return None
    return int(text)
