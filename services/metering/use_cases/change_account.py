"""The transaction of an operator's change to one account: it exists, is not deleted, and is locked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.metering.adapters.accounts_postgres import lock_account
from services.metering.domain.accounts import AccountDeletedBefore, AccountUnknown
from shared.ids import AccountId
from shared.postgres import Connection, Pool


@asynccontextmanager
async def change_account(pool: Pool, account_id: AccountId) -> AsyncIterator[Connection]:
    """Raises AccountUnknown, AccountDeletedBefore."""
    async with pool.acquire() as connection, connection.transaction():
        account = await lock_account(connection, account_id)
        if account is None:
            raise AccountUnknown(account_id)
        if account.closed_at is not None:
            raise AccountDeletedBefore(account_id)
        yield connection
