"""An account's posted balance, for a page."""

from datetime import datetime

from services.metering.adapters.snapshots_postgres import read_snapshot
from services.metering.domain.accounts import AccountUnknown
from services.metering.domain.balances import Balance, balance_of
from shared.ids import AccountId
from shared.postgres import Pool


async def read_balance(pool: Pool, account_id: AccountId, now: datetime) -> Balance:
    """Raises AccountUnknown."""
    ledger = await read_snapshot(pool, [account_id])
    if account_id not in ledger.accounts:
        raise AccountUnknown(account_id)
    return balance_of(ledger.accounts[account_id].grants, now)
