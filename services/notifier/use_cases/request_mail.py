"""An event asks for a mail: owe it, once per event, whatever comes twice or crashes."""

from datetime import datetime
from uuid import UUID

from services.notifier.adapters.addressees_postgres import find_address, is_forgotten, put_address, take_turn
from services.notifier.adapters.mails_postgres import add_mail
from services.notifier.domain.asked_for import Notice, Secret, asked_for_by
from shared import inbox
from shared.contracts.accounts import AccountRegistered
from shared.errors import NotYet
from shared.ids import AccountId
from shared.postgres import Pool


async def request_mail(
    pool: Pool, event: Secret | Notice, *, event_id: UUID, request_id: str | None, now: datetime
) -> None:
    """Nothing for an account that is forgotten. Raises NotYet while its address has not been heard of."""
    asked_for = asked_for_by(event, event_id)
    account_id = asked_for.mail.account_id
    async with pool.acquire() as connection, connection.transaction():
        if not await inbox.first_time(connection, event_id):
            return
        await take_turn(connection, account_id)
        if await is_forgotten(connection, account_id):
            return
        if asked_for.address is not None:
            await put_address(connection, account_id, asked_for.address)
        address = asked_for.address or await find_address(connection, account_id)
        if address is None:
            raise NotYet("The account's registration has not arrived yet.")
        await add_mail(connection, asked_for.mail, recipient=address, request_id=request_id, now=now)


async def remember_address(pool: Pool, event: AccountRegistered, *, event_id: UUID) -> None:
    account_id = AccountId(event.account_id)
    async with pool.acquire() as connection, connection.transaction():
        if not await inbox.first_time(connection, event_id):
            return
        await take_turn(connection, account_id)
        if not await is_forgotten(connection, account_id):
            await put_address(connection, account_id, event.email)
