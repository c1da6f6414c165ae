"""Rows in an outbox, and a relay that runs for the length of a block."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import ClassVar
from uuid import UUID, uuid4

from shared import outbox
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted
from shared.contracts.envelope import Event, wrap
from shared.outbox import OutboxRelay
from shared.postgres import Connection, Pool


class Unheard(Event):
    """An event that no service consumes."""

    TYPE: ClassVar[str] = "nobody.listens.v1"


async def commit_event(pool: Pool) -> UUID:
    async with pool.acquire() as connection, connection.transaction():
        return await add_event(connection)


async def add_event(connection: Connection) -> UUID:
    return await outbox.add(
        connection,
        AccountDeleted(account_id="Ab3dE5gH"),
        source="accounts",
        subject="Ab3dE5gH",
        now=utc_now(),
    )


async def unpublished_count(pool: Pool) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL")
    return count


async def write_row(pool: Pool, *, written_at: datetime, published_at: datetime | None) -> UUID:
    """A row as the past left it, under a UUIDv7 of that time, of an event that nobody consumes."""
    event_id = UUID(int=(int(written_at.timestamp() * 1000) << 80) | uuid4().int >> 48)
    envelope = wrap(Unheard(), source="accounts", subject=None, now=written_at)
    body = envelope.model_copy(update={"id": event_id}).to_json().decode()
    await pool.execute(
        "INSERT INTO outbox (id, type, body) VALUES ($1, $2, $3)", event_id, Unheard.TYPE, body
    )
    await pool.execute("UPDATE outbox SET published_at = $2 WHERE id = $1", event_id, published_at)
    return event_id


async def all_published(pool: Pool) -> bool:
    return await unpublished_count(pool) == 0


@asynccontextmanager
async def relaying(pool: Pool, publisher: Publisher) -> AsyncIterator[OutboxRelay]:
    relay = OutboxRelay(pool, publisher)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.wait([task])
