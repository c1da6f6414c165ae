"""An account is deleted: it has nothing to spend any more; its anonymous rows stay."""

from datetime import datetime
from uuid import UUID

from services.metering.adapters import accounts_postgres
from shared import inbox
from shared.contracts.accounts import AccountDeleted
from shared.errors import NotYet
from shared.ids import AccountId
from shared.postgres import Pool


async def close_account(pool: Pool, event_id: UUID, event: AccountDeleted, now: datetime) -> None:
    """Raises NotYet when the account's registration has not arrived."""
    async with pool.acquire() as connection, connection.transaction():
        if not await inbox.first_time(connection, event_id):
            return
        if not await accounts_postgres.close_account(connection, AccountId(event.account_id), now):
            raise NotYet(f"Account {event.account_id} is not in the ledger yet.")
