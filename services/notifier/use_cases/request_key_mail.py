"""A key was issued: owe its mail, once per event, whatever comes twice or crashes."""

from datetime import datetime
from uuid import UUID

from services.notifier.adapters.mails_postgres import add_key_mail
from services.notifier.domain.mail import KeyMail, MailKind
from shared import inbox
from shared.contracts.accounts import KeyIssued
from shared.ids import AccountId
from shared.postgres import Pool

KIND_OF_REASON = {"registered": MailKind.KEY_REGISTERED, "replaced": MailKind.KEY_REPLACED}


async def request_key_mail(
    pool: Pool, issued: KeyIssued, *, event_id: UUID, request_id: str | None, now: datetime
) -> None:
    mail = KeyMail(
        event_id=event_id,
        account_id=AccountId(issued.account_id),
        recipient=issued.email,
        kind=KIND_OF_REASON[issued.reason],
        sealed_key=issued.sealed_key,
        key_display=issued.key_display,
    )
    async with pool.acquire() as connection, connection.transaction():
        if await inbox.first_time(connection, event_id):
            await add_key_mail(connection, mail, request_id=request_id, now=now)
