"""Rows of the ledger as the audit reads them. Sums of entries are named apart from the sums that are stored."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.ids import AccountId


@dataclass(frozen=True, slots=True)
class AccountFacts:
    account_id: AccountId
    balance: int
    version: int
    is_closed: bool


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """`filled`, `used`, `expired`, `reversed`, `adjusted`: sums of its entries, signed; `fillings`: how many
    entries filled it; `adjustment_delta`: of the operator's adjustment that its source names."""

    grant_id: UUID
    account_id: AccountId
    kind: str
    source: str
    tokens: int
    remaining: int
    expires_at: datetime | None
    created_at: datetime
    is_closed: bool
    is_frozen: bool
    fillings: int
    filled: int
    used: int
    expired: int
    reversed: int
    adjusted: int
    adjustment_delta: int | None

    @property
    def entered(self) -> int:
        return self.filled + self.used + self.expired + self.reversed + self.adjusted


@dataclass(frozen=True, slots=True)
class PurchaseFacts:
    """`tokens`: of its grant, None while it has none. `reversed_by_entries`: what its reversal entries took."""

    purchase_id: str
    account_id: AccountId
    grant_id: UUID | None
    tokens: int | None
    tokens_to_reverse: int
    tokens_reversed: int
    reversed_by_entries: int
    was_frozen: bool

    @property
    def owed(self) -> int:
        due = min(self.tokens_to_reverse, self.tokens or 0)
        return max(due - self.reversed_by_entries, 0)


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """`admitted_at`: of the request that it belongs to, where its usage is still kept."""

    account_id: AccountId
    entry_id: int
    grant_id: UUID
    tokens: int
    request_id: UUID | None
    revision: int | None
    admitted_at: datetime | None

    def is_posted_with(self, other: "EntryFacts") -> bool:
        mine = (self.account_id, self.request_id, self.revision)
        return mine == (other.account_id, other.request_id, other.revision)


@dataclass(frozen=True, slots=True)
class UnlikeUsage:
    """A request and revision of which usage and entries disagree; None: there is no such row."""

    account_id: AccountId
    request_id: UUID
    revision: int
    charged: int | None
    collected: int | None


@dataclass(frozen=True, slots=True)
class UnlikeDay:
    """A day, model and key of which the total is not the sum of the requests: (requests, prompt, completion,
    cached)."""

    account_id: AccountId
    day: str
    model: str
    key_id: str
    total: tuple[int, ...]
    counted: tuple[int, ...]
