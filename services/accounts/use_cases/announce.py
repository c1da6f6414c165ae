"""Writes an event of accounts into the outbox, in the transaction of its fact."""

from datetime import datetime

from shared import outbox
from shared.contracts.envelope import Event
from shared.ids import AccountId
from shared.logging import current_request_id
from shared.postgres import Connection

SOURCE = "accounts"


async def announce(connection: Connection, event: Event, account_id: AccountId, now: datetime) -> None:
    await outbox.add(
        connection,
        event,
        source=SOURCE,
        subject=account_id,
        now=now,
        request_id=current_request_id(),
    )
