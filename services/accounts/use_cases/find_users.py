"""The list of users: searched and counted here, ranked and valued by the ledger, a page at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.accounts.adapters import users_postgres as users
from services.accounts.adapters.ledger_http import Ledger
from services.accounts.adapters.users_postgres import Match
from services.accounts.domain.users import (
    MATCHES_MAX,
    MATCHES_RANKED_MAX,
    ROWS_PER_PAGE,
    SortBy,
    User,
    UserList,
    UserQuery,
    UserRow,
    pages_of,
    stretch_of,
)
from services.accounts.use_cases.partly import or_none
from shared.contracts.internal.metering import RankedAccounts
from shared.ids import AccountId
from shared.postgres import Pool

BALANCES = "balances and usage"


@dataclass(frozen=True, slots=True)
class FindUsers:
    pool: Pool
    ledger: Ledger

    async def count(self) -> int:
        return await users.count_users(self.pool)

    async def __call__(self, query: UserQuery, *, users_in_all: int) -> UserList:
        if query.search:
            return await self._among_matches(query)
        if query.sort_by.is_of_the_ledger:
            return await self._in_the_ledgers_order(query, users_in_all)
        return await self._in_our_order(query, users_in_all)

    async def _in_our_order(self, query: UserQuery, total: int) -> UserList:
        query = query.within(total)
        stretch = stretch_of(query, total=total)
        found = await users.list_users(
            self.pool,
            sort_by=query.sort_by.value,
            descending=stretch.descending,
            offset=stretch.offset,
            limit=stretch.limit,
        )
        rows, missing = await self._valued(found[::-1] if stretch.is_backwards else found)
        return UserList(rows, total, query, missing)

    async def _in_the_ledgers_order(self, query: UserQuery, users_in_all: int) -> UserList:
        """Without the ledger, the newest first."""
        ranked = await self._ranked(query)
        if ranked is not None and query.page > pages_of(ranked.total):  # as many as the ledger knows
            query = query.within(ranked.total)
            ranked = await self._ranked(query)
        if ranked is None:
            return await self._in_our_order(
                replace(query, sort_by=SortBy.JOINED, descending=True), users_in_all
            )
        account_ids = [AccountId(each) for each in ranked.account_ids]
        rows, missing = await self._valued(await users.list_by_id(self.pool, account_ids))
        return UserList(rows, ranked.total, query, missing)

    async def _ranked(self, query: UserQuery) -> RankedAccounts | None:
        return await or_none(
            self.ledger.rank(
                query.sort_by.value, descending=query.descending, offset=query.offset, limit=ROWS_PER_PAGE
            )
        )

    async def _among_matches(self, query: UserQuery) -> UserList:
        """The newest matches, as many as anybody pages through; ranked are as many as the ledger values at once."""
        most = MATCHES_RANKED_MAX if query.sort_by.is_of_the_ledger else MATCHES_MAX
        found = await users.search(self.pool, query.search, limit=most + 1)
        matches, query = found[:most], query.within(len(found[:most]))
        page = slice(query.offset, query.offset + ROWS_PER_PAGE)
        if query.sort_by.is_of_the_ledger:
            rows, missing = await self._valued(await self._users_of(matches))
            rows = tuple(sorted(rows, key=_worth(query.sort_by), reverse=query.descending))[page]
        else:
            rows, missing = await self._valued(await self._users_of(_ordered(matches, query)[page]))
        return UserList(rows, len(matches), query, missing, is_cut=len(found) > most)

    async def _users_of(self, matches: Sequence[Match]) -> list[User]:
        return await users.list_by_id(self.pool, [match.account_id for match in matches])

    async def _valued(self, found: Sequence[User]) -> tuple[tuple[UserRow, ...], tuple[str, ...]]:
        """With what is missing, where the ledger is away."""
        if not found:
            return (), ()
        totals = await or_none(self.ledger.totals_of([user.account_id for user in found]))
        missing = () if totals is not None else (BALANCES,)
        return tuple(
            UserRow(user, *(totals or {}).get(user.account_id, (None, None))) for user in found
        ), missing


def _ordered(matches: Sequence[Match], query: UserQuery) -> list[Match]:
    """`matches` are the newest first."""
    if query.sort_by is SortBy.EMAIL:
        return sorted(matches, key=lambda match: match.email.lower(), reverse=query.descending)
    return list(matches if query.descending else reversed(matches))


def _worth(sort_by: SortBy) -> Callable[[UserRow], int]:
    if sort_by is SortBy.BALANCE:
        return lambda row: row.balance.available if row.balance else -1
    return lambda row: row.tokens_used or 0
