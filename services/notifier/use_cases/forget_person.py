"""An account was deleted: what is still owed to it is dropped, and its address is erased everywhere."""

from uuid import UUID

from services.notifier.adapters.addressees_postgres import forget_account, take_turn
from shared import inbox
from shared.contracts.accounts import AccountDeleted
from shared.ids import AccountId
from shared.postgres import Pool


async def forget_person(pool: Pool, deleted: AccountDeleted, *, event_id: UUID) -> None:
    account_id = AccountId(deleted.account_id)
    async with pool.acquire() as connection, connection.transaction():
        if await inbox.first_time(connection, event_id):
            await take_turn(connection, account_id)
            await forget_account(connection, account_id)
