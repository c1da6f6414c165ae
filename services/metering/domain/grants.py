"""Grants: tokens an account was given, and the order in which usage burns them.

What ends first goes first, so that a trial is used before paid tokens and nothing ends unused that could
have been used; what is frozen goes last, and only to requests that were running already. Whether a grant
counts is judged as of the request's admission, not of its posting.
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
    """An open grant, as far as spending is concerned. Without an end it is paid tokens."""

    grant_id: UUID
    remaining: int
    expires_at: datetime | None
    created_at: datetime
    is_frozen: bool = False

    @property
    def is_paid(self) -> bool:
        return self.expires_at is None

    def is_valid(self, at: datetime) -> bool:
        return self.expires_at is None or self.expires_at > at


def trial_grant(account_id: AccountId, trial: Trial, *, grant_id: UUID, now: datetime) -> NewGrant:
    source = f"trial:{account_id}"
    return NewGrant(grant_id, account_id, GrantKind.TRIAL, source, trial.tokens, trial.expires_at, now)


def purchase_grant(
    account_id: AccountId, purchase_id: str, tokens: int, *, grant_id: UUID, now: datetime
) -> NewGrant:
    source = f"purchase:{purchase_id}"
    return NewGrant(grant_id, account_id, GrantKind.PURCHASE, source, tokens, None, now)


def adjustment_grant(
    account_id: AccountId, adjustment_id: UUID, tokens: int, *, grant_id: UUID, now: datetime
) -> NewGrant:
    source = f"adjustment:{adjustment_id}"
    return NewGrant(grant_id, account_id, GrantKind.ADJUSTMENT, source, tokens, None, now)


def operator_grant(
    account_id: AccountId, grant_id: UUID, tokens: int, *, expires_at: datetime, now: datetime
) -> NewGrant:
    """Like a trial, from an operator's hand: it ends."""
    return NewGrant(grant_id, account_id, GrantKind.TRIAL, f"operator:{grant_id}", tokens, expires_at, now)


def in_burn_order(grants: Iterable[Grant]) -> list[Grant]:
    """Soonest end first, never-ending later, frozen last; among equals the oldest."""
    return sorted(grants, key=_burn_rank)


def take_paid(grants: Iterable[Grant], tokens: int) -> dict[UUID, int]:
    """Up to `tokens` from what never ends, in burn order: what to take from which grant."""
    taken: dict[UUID, int] = {}
    for grant in in_burn_order(grant for grant in grants if grant.is_paid):
        part = min(tokens, grant.remaining)
        if part > 0:
            taken[grant.grant_id] = part
            tokens -= part
    return taken


def _burn_rank(grant: Grant) -> tuple[bool, datetime, datetime, UUID]:
    return grant.is_frozen, grant.expires_at or NEVER, grant.created_at, grant.grant_id
