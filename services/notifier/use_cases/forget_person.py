"""An account was deleted: what is still owed to it is dropped, and its address is erased everywhere."""

from uuid import UUID

from services.notifier.adapters.mails_postgres import forget_account
from shared import inbox
from shared.contracts.accounts import AccountDeleted
from shared.ids import AccountId
from shared.postgres import Pool


async def forget_person(pool: Pool, deleted: AccountDeleted, *, event_id: UUID) -> None:
    async with pool.acquire() as connection, connection.transaction():
        if await inbox.first_time(connection, event_id):
            await forget_account(connection, AccountId(deleted.account_id))
