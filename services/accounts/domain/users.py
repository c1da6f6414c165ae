"""The list of users as the operator reads it: what is searched, by what it is sorted, and which page is shown."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from services.accounts.domain.dashboard import Balance
from shared.ids import AccountId

ROWS_PER_PAGE = 50
PAGE_MAX = 100_000
MATCHES_MAX = 1000
"""Of a search: who has more matches types more of the address."""
MATCHES_RANKED_MAX = 200
"""What one question to the ledger may hold (ACCOUNTS_PER_REQUEST_MAX): so many matches of a search are ranked."""
SEARCH_LENGTH_MAX = 254
PASTED_KEY = re.compile(r"(sk-[0-9A-Za-z]{8})[0-9A-Za-z]+")
"""Its beginning names the account; the rest is nobody's business, and stands in no page and no link of one."""


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

    def within(self, total: int) -> "UserQuery":
        """Behind the last page is the last page."""
        return replace(self, page=min(self.page, pages_of(total)))


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the list, in one of its two directions: `offset` is never more than half of the list."""

    descending: bool
    offset: int
    limit: int
    is_backwards: bool


def stretch_of(query: UserQuery, *, total: int) -> Stretch:
    """The page from its nearer end: what lies between has to be passed over."""
    limit = min(ROWS_PER_PAGE, max(total - query.offset, 0))
    behind = total - query.offset - limit
    if query.offset <= behind:
        return Stretch(query.descending, query.offset, limit, is_backwards=False)
    return Stretch(not query.descending, max(behind, 0), limit, is_backwards=True)


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
    """`total` counts all that may be paged through. `is_cut`: only the newest matches of a search."""

    rows: tuple[UserRow, ...]
    total: int
    query: UserQuery
    missing: tuple[str, ...] = ()
    is_cut: bool = False

    @property
    def pages(self) -> int:
        return pages_of(self.total)


def pages_of(total: int) -> int:
    return max(1, -(-total // ROWS_PER_PAGE))


def read_query(search: str, sort: str, direction: str, page: str) -> UserQuery:
    """Whatever is typed into an address: what makes no sense counts as not given."""
    sort_by = SortBy(sort) if sort in set(SortBy) else SortBy.JOINED
    descending = direction == "desc" if direction in ("asc", "desc") else sort_by is not SortBy.EMAIL
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 10 else 1
    text = search.replace("\0", "").strip()[:SEARCH_LENGTH_MAX]
    pasted_key = PASTED_KEY.fullmatch(text)
    return UserQuery(
        pasted_key[1] if pasted_key else text,
        sort_by,
        descending,
        min(max(number, 1), PAGE_MAX),
    )
