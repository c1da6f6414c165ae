"""Posted balances, of one account or of many, for a page."""

from collections.abc import Collection
from datetime import datetime

from services.metering.adapters.snapshots_postgres import read_snapshot
from services.metering.domain.accounts import AccountUnknown
from services.metering.domain.balances import balance_of
from shared.contracts.internal.metering import BalanceReply
from shared.ids import AccountId
from shared.postgres import Pool


async def read_balance(pool: Pool, account_id: AccountId, now: datetime) -> BalanceReply:
    """Raises AccountUnknown."""
    balances = await read_balances(pool, [account_id], now)
    if account_id not in balances:
        raise AccountUnknown(account_id)
    return balances[account_id]


async def read_balances(
    pool: Pool, account_ids: Collection[AccountId], now: datetime
) -> dict[AccountId, BalanceReply]:
    """Accounts that the ledger does not know are absent."""
    ledger = await read_snapshot(pool, account_ids)
    balances = {
        account_id: balance_of(account.grants, now, owed=account.owed)
        for account_id, account in ledger.accounts.items()
    }
    return {
        account_id: BalanceReply(
            account_id=account_id,
            available=found.available,
            paid=found.paid,
            trial=found.trial,
            trial_expires_at=found.trial_expires_at,
            debt=found.debt,
            frozen=found.frozen,
        )
        for account_id, found in balances.items()
    }
