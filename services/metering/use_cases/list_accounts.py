"""Accounts as an operator's list needs them: in an order, with what each has and used, and all together."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal

from services.metering.adapters import account_lists_postgres as lists
from services.metering.use_cases.read_balance import read_balances
from shared.contracts.internal.metering import AccountTotals, RankedAccounts, SystemTotals, TotalsReply
from shared.ids import AccountId
from shared.postgres import Pool

DAYS_OF_USAGE = 30

OrderBy = Literal["balance", "usage"]
Direction = Literal["rising", "falling"]
LISTS = {
    ("balance", "rising"): lists.list_by_balance_rising,
    ("balance", "falling"): lists.list_by_balance_falling,
    ("usage", "rising"): lists.list_by_usage_rising,
    ("usage", "falling"): lists.list_by_usage_falling,
}


async def list_totals(pool: Pool, account_ids: Collection[AccountId], now: datetime) -> TotalsReply:
    """In the order asked for, without those that the ledger does not know."""
    since = now.date() - timedelta(days=DAYS_OF_USAGE - 1)
    balances, used = await asyncio.gather(
        read_balances(pool, account_ids, now), lists.read_usage_since(pool, account_ids, since=since)
    )
    nothing = lists.Used(0, 0)
    return TotalsReply(
        accounts=tuple(
            AccountTotals(
                balance=balances[account_id],
                requests=used.get(account_id, nothing).requests,
                tokens_used=used.get(account_id, nothing).tokens,
            )
            for account_id in account_ids
            if account_id in balances
        )
    )


async def list_ranked(
    pool: Pool, order_by: OrderBy, direction: Direction, *, offset: int, limit: int
) -> RankedAccounts:
    """As it was at the last renewal (use_cases/sum_up_accounts.py); closed accounts have no rank."""
    ids = await LISTS[order_by, direction](pool, offset=offset, limit=limit)
    return RankedAccounts(account_ids=tuple(ids), total=(await lists.read_sums(pool)).accounts)


async def read_totals(pool: Pool, now: datetime, *, days: int) -> SystemTotals:
    """As of the last renewal, too."""
    sums = await lists.read_sums(pool)
    listed = await lists.list_system_days(pool, since=now.date() - timedelta(days=days - 1))
    return SystemTotals(**sums._asdict(), days=tuple(listed))
