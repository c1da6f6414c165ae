"""The list of users: searched and counted here, ranked and valued by the ledger, a page at a time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.accounts.adapters import users_postgres as users
from services.accounts.adapters.ledger_http import Ledger
from services.accounts.domain.users import (
    MATCHES_RANKED_MAX,
    ROWS_PER_PAGE,
    SortBy,
    User,
    UserList,
    UserQuery,
    UserRow,
)
from services.accounts.use_cases.partly import or_none
from shared.ids import AccountId
from shared.postgres import Pool

BALANCES = "balances and usage"


@dataclass(frozen=True, slots=True)
class FindUsers:
    pool: Pool
    ledger: Ledger

    async def __call__(self, query: UserQuery) -> UserList:
        if not query.sort_by.is_of_the_ledger:
            return await self._in_our_order(query)
        if query.search:
            return await self._ranked_matches(query)
        return await self._in_the_ledgers_order(query)

    async def _in_our_order(self, query: UserQuery) -> UserList:
        found, total = await asyncio.gather(
            users.list_users(
                self.pool,
                query.search,
                sort_by=query.sort_by.value,
                descending=query.descending,
                offset=query.offset,
                limit=ROWS_PER_PAGE,
            ),
            users.count_users(self.pool, query.search),
        )
        rows, missing = await self._valued(found)
        return UserList(rows, total, query, missing)

    async def _in_the_ledgers_order(self, query: UserQuery) -> UserList:
        """Without the ledger, the newest first."""
        ranked = await or_none(
            self.ledger.rank(
                query.sort_by.value, descending=query.descending, offset=query.offset, limit=ROWS_PER_PAGE
            )
        )
        if ranked is None:
            return await self._in_our_order(replace(query, sort_by=SortBy.JOINED, descending=True))
        account_ids = [AccountId(each) for each in ranked.account_ids]
        rows, missing = await self._valued(await users.list_by_id(self.pool, account_ids))
        return UserList(rows, ranked.total, query, missing)

    async def _ranked_matches(self, query: UserQuery) -> UserList:
        """The newest matches of a search, as many as the ledger values at once, and these in order."""
        found, total = await asyncio.gather(
            users.list_users(
                self.pool,
                query.search,
                sort_by=SortBy.JOINED.value,
                descending=True,
                offset=0,
                limit=MATCHES_RANKED_MAX,
            ),
            users.count_users(self.pool, query.search),
        )
        rows, missing = await self._valued(found)
        ordered = sorted(rows, key=_worth(query.sort_by), reverse=query.descending)
        shown = tuple(ordered[query.offset : query.offset + ROWS_PER_PAGE])
        is_cut = total > MATCHES_RANKED_MAX
        return UserList(shown, min(total, MATCHES_RANKED_MAX), query, missing, is_cut)

    async def _valued(self, found: Sequence[User]) -> tuple[tuple[UserRow, ...], tuple[str, ...]]:
        """With what is missing, where the ledger is away."""
        if not found:
            return (), ()
        totals = await or_none(self.ledger.totals_of([user.account_id for user in found]))
        missing = () if totals is not None else (BALANCES,)
        return tuple(
            UserRow(user, *(totals or {}).get(user.account_id, (None, None))) for user in found
        ), missing


def _worth(sort_by: SortBy):  # type: ignore[no-untyped-def]
    if sort_by is SortBy.BALANCE:
        return lambda row: row.balance.available if row.balance else -1
    return lambda row: row.tokens_used or 0
