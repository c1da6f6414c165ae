"""Grants: tokens an account was given, and the order in which usage burns them.

What ends first goes first, so that a trial is used before paid tokens and nothing ends unused that could
have been used. Whether a grant counts is judged as of the request's admission, not of its posting.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from shared.contracts.accounts import Trial
from shared.ids import AccountId

NEVER = datetime.max.replace(tzinfo=UTC)


class GrantKind(StrEnum):
    TRIAL = "trial"
    PURCHASE = "purchase"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True)
class NewGrant:
    """A gift still to be entered. `source` names what it is given for: the same source gives once."""

    grant_id: UUID
    account_id: AccountId
    kind: GrantKind
    source: str
    tokens: int
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """An open grant, as far as spending is concerned."""

    grant_id: UUID
    remaining: int
    expires_at: datetime | None
    created_at: datetime

    def is_valid(self, at: datetime) -> bool:
        return self.expires_at is None or self.expires_at > at


def trial_grant(account_id: AccountId, trial: Trial, *, grant_id: UUID, now: datetime) -> NewGrant:
    source = f"trial:{account_id}"
    return NewGrant(grant_id, account_id, GrantKind.TRIAL, source, trial.tokens, trial.expires_at, now)


def in_burn_order(grants: Iterable[Grant]) -> list[Grant]:
    """Soonest end first, never-ending last; among equals the oldest."""
    return sorted(grants, key=_burn_rank)


def _burn_rank(grant: Grant) -> tuple[datetime, datetime, UUID]:
    return grant.expires_at or NEVER, grant.created_at, grant.grant_id
