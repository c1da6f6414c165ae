"""An account was deleted. No address is kept here, so there is nothing to erase: its orders stay, anonymous, and
what is still paid for it goes to a human."""

from dataclasses import dataclass
from uuid import UUID

from services.billing.adapters import orders_postgres as orders
from shared import inbox
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted
from shared.ids import AccountId
from shared.postgres import Pool


@dataclass(frozen=True, slots=True)
class ForgetAccount:
    pool: Pool

    async def __call__(self, deleted: AccountDeleted, *, event_id: UUID) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            if await inbox.first_time(connection, event_id):
                await orders.forget_account(connection, AccountId(deleted.account_id), now=utc_now())
