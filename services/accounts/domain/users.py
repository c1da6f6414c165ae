"""The list of users as the operator reads it: what is searched, by what it is sorted, and which page is shown."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.accounts.domain.dashboard import Balance
from shared.ids import AccountId

ROWS_PER_PAGE = 50
PAGE_MAX = 100_000
MATCHES_RANKED_MAX = 200
"""What one question to the ledger may hold (ACCOUNTS_PER_REQUEST_MAX): so many matches of a search are ranked."""
SEARCH_LENGTH_MAX = 254


class SortBy(StrEnum):
    JOINED = "joined"
    EMAIL = "email"
    BALANCE = "balance"
    USAGE = "usage"

    @property
    def is_of_the_ledger(self) -> bool:
        return self in (SortBy.BALANCE, SortBy.USAGE)


@dataclass(frozen=True, slots=True)
class UserQuery:
    search: str = ""
    sort_by: SortBy = SortBy.JOINED
    descending: bool = True
    page: int = 1

    @property
    def offset(self) -> int:
        return (self.page - 1) * ROWS_PER_PAGE


@dataclass(frozen=True, slots=True)
class User:
    """What accounts itself knows."""

    user_id: int
    account_id: AccountId
    email: str
    key_display: str | None
    joined_at: datetime
    blocked_at: datetime | None


@dataclass(frozen=True, slots=True)
class UserRow:
    """`balance` and `tokens_used` (30 days) are None where the ledger does not know the account, or is away."""

    user: User
    balance: Balance | None
    tokens_used: int | None


@dataclass(frozen=True, slots=True)
class UserList:
    """`total` counts all that match. `is_cut`: only the first matches were ranked."""

    rows: tuple[UserRow, ...]
    total: int
    query: UserQuery
    missing: tuple[str, ...] = ()
    is_cut: bool = False

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // ROWS_PER_PAGE))


def read_query(search: str, sort: str, direction: str, page: str) -> UserQuery:
    """Whatever is typed into an address: what makes no sense counts as not given."""
    sort_by = SortBy(sort) if sort in set(SortBy) else SortBy.JOINED
    descending = direction == "desc" if direction in ("asc", "desc") else sort_by is not SortBy.EMAIL
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 10 else 1
    return UserQuery(
        search.replace("\0", "").strip()[:SEARCH_LENGTH_MAX],
        sort_by,
        descending,
        min(max(number, 1), PAGE_MAX),
    )
