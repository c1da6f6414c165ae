"""Ledger entries: the only way a balance changes. What is posted is never changed; a correction is an entry."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from services.metering.domain.grants import Grant, NewGrant


class EntryKind(StrEnum):
    GRANT = "grant"
    USAGE = "usage"
    EXPIRY = "expiry"
    ADJUSTMENT = "adjustment"
    REVERSAL = "reversal"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True)
class Entry:
    """`tokens` is signed: what a grant gains or loses. A request's entries name it and its revision, a
    reversal's the purchase, an operator's the reason."""

    kind: EntryKind
    grant_id: UUID
    tokens: int
    request_id: UUID | None = None
    revision: int | None = None
    reason: str | None = None
    purchase_id: str | None = None


def filling(grant: NewGrant, *, reason: str | None = None) -> Entry:
    """The first entry of a grant: without it, it is empty."""
    return Entry(EntryKind.GRANT, grant.grant_id, grant.tokens, reason=reason)


def expiring(grant: Grant) -> Entry:
    """All that remains. What a correction gives back later expires again."""
    return Entry(EntryKind.EXPIRY, grant.grant_id, -grant.remaining)
