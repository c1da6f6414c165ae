"""An account registers: the ledger opens it and enters its trial, once."""

from datetime import datetime
from uuid import UUID

from services.metering.adapters.accounts_postgres import open_account
from services.metering.adapters.entries_postgres import post_entries
from services.metering.adapters.grants_postgres import add_grant
from services.metering.domain.entries import filling
from services.metering.domain.grants import trial_grant
from shared import inbox
from shared.contracts.accounts import AccountRegistered
from shared.ids import AccountId, new_uuid7
from shared.postgres import Pool


async def grant_trial(pool: Pool, event_id: UUID, event: AccountRegistered, now: datetime) -> None:
    """The trial's source names the account, so another event about it gives nothing more."""
    account_id = AccountId(event.account_id)
    async with pool.acquire() as connection, connection.transaction():
        if not await inbox.first_time(connection, event_id):
            return
        await open_account(connection, account_id, now)
        if event.trial is None:
            return
        grant = trial_grant(account_id, event.trial, grant_id=new_uuid7(), now=now)
        if await add_grant(connection, grant):
            await post_entries(connection, {account_id: [filling(grant)]}, now)
