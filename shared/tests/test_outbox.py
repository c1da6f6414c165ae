"""What was committed is published at least once, what was rolled back never, through every outage."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from shared import outbox
from shared.bus.connection import connect
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted
from shared.contracts.envelope import Envelope, Event, wrap
from shared.outbox import BATCH_ROWS_MAX, OutboxRelay
from shared.postgres import Pool, open_pool
from tests.support.bus import Corner, open_publisher
from tests.support.eventually import eventually
from tests.support.servers import DatabaseFactory, ServiceDatabase
from tests.support.tcp_proxy import TcpProxy


class Unheard(Event):
    """An event that no service consumes."""

    TYPE: ClassVar[str] = "nobody.listens.v1"


@pytest.fixture(scope="module")
async def service(database: DatabaseFactory) -> ServiceDatabase:
    return await database("billing")


@pytest.fixture
async def pool(service: ServiceDatabase) -> AsyncIterator[Pool]:
    """As the runtime role: what it may do to the outbox is what the migration granted."""
    async with await open_pool(service.url, service="billing") as pool:
        await pool.execute("DELETE FROM outbox")
        yield pool


async def commit_event(pool: Pool) -> UUID:
    async with pool.acquire() as connection, connection.transaction():
        return await add_event(connection)


async def add_event(connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> UUID:
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


async def test_a_committed_event_is_published_as_it_was_written(
    pool: Pool, publisher: Publisher, corner: Corner
) -> None:
    event_id = await commit_event(pool)
    async with relaying(pool, publisher):
        await eventually(lambda: all_published(pool))
    message = await corner.take(corner.work)
    assert message is not None
    envelope = Envelope.from_json(message.body)
    assert (envelope.id, envelope.source, envelope.subject) == (event_id, "/accounts", "Ab3dE5gH")


async def test_a_rolled_back_event_is_never_published(
    pool: Pool, publisher: Publisher, corner: Corner
) -> None:
    async with relaying(pool, publisher):
        async with pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await add_event(connection)
            await transaction.rollback()
        await commit_event(pool)
        await eventually(lambda: all_published(pool))
    assert await corner.count(corner.work) == 1


async def test_a_kick_does_not_wait_for_the_poll(
    pool: Pool, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "POLL_SECONDS", 60)
    async with relaying(pool, publisher) as relay:
        for _ in range(3):
            await commit_event(pool)
            relay.kick()
            await eventually(lambda: all_published(pool))


async def test_without_a_kick_the_poll_finds_the_event(pool: Pool, publisher: Publisher) -> None:
    async with relaying(pool, publisher):
        await commit_event(pool)
        await eventually(lambda: all_published(pool))


async def test_more_than_one_batch_goes_out_in_order(
    pool: Pool, publisher: Publisher, corner: Corner
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        event_ids = [await add_event(connection) for _ in range(BATCH_ROWS_MAX + 1)]
    async with relaying(pool, publisher):
        await eventually(lambda: all_published(pool))
    messages = [await corner.take(corner.work) for _ in event_ids]
    assert [message and message.message_id for message in messages] == [str(each) for each in event_ids]


async def test_an_event_that_commits_late_with_an_early_id_is_published(
    pool: Pool, publisher: Publisher
) -> None:
    """The trap of a cursor: the row with the smaller id becomes visible after the larger one went out."""
    async with relaying(pool, publisher), pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await add_event(slow)
        await commit_event(pool)
        await eventually(lambda: all_published(pool))
        await transaction.commit()
        assert await unpublished_count(pool) == 1
        await eventually(lambda: all_published(pool))


async def test_of_two_replicas_one_publishes_a_row(
    amqp_url: str, pool: Pool, publisher: Publisher, corner: Corner
) -> None:
    async with (
        open_publisher(amqp_url, corner.topology) as other,
        relaying(pool, publisher),
        relaying(pool, other),
    ):
        for _ in range(20):
            await commit_event(pool)
        await eventually(lambda: all_published(pool))
    await eventually(lambda: corner.has(corner.work, 20))


async def test_rows_wait_while_the_broker_is_down_and_go_out_when_it_is_back(
    pool: Pool, corner: Corner, line: TcpProxy
) -> None:
    await line.cut()
    await commit_event(pool)
    with capture_logs() as logs:
        async with open_publisher(line.url, corner.topology) as publisher, relaying(pool, publisher):
            await eventually(lambda: was_paused(logs))
            assert await unpublished_count(pool) == 1
            await line.mend()
            await eventually(lambda: all_published(pool))
    assert await corner.count(corner.work) == 1


async def test_kicks_during_an_outage_do_not_make_the_relay_spin(
    pool: Pool, corner: Corner, line: TcpProxy
) -> None:
    loop = asyncio.get_running_loop()
    await line.cut()
    await commit_event(pool)
    with capture_logs() as logs:
        async with open_publisher(line.url, corner.topology) as publisher, relaying(pool, publisher) as relay:
            await eventually(lambda: was_paused(logs))
            paused_seconds = loop.time()
            relay.kick()
            await eventually(lambda: was_paused(logs, times=2))
            assert loop.time() - paused_seconds > outbox.PAUSE_FIRST_SECONDS * 0.9


async def test_an_unroutable_event_stays_and_does_not_hold_back_the_others(
    pool: Pool, publisher: Publisher
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await outbox.add(connection, Unheard(), source="accounts", subject=None, now=utc_now())
        await add_event(connection)

    async def only_the_unroutable_is_left() -> bool:
        rows = await pool.fetch("SELECT type FROM outbox WHERE published_at IS NULL")
        return [row["type"] for row in rows] == [Unheard.TYPE]

    async with relaying(pool, publisher):
        await eventually(only_the_unroutable_is_left)


async def test_the_relay_survives_an_outage_of_the_database(
    service: ServiceDatabase, pool: Pool, publisher: Publisher
) -> None:
    async with (
        TcpProxy(service.url) as line,
        await open_pool(line.url, service="billing") as distant,
        relaying(distant, publisher),
    ):
        await commit_event(pool)
        await eventually(lambda: all_published(pool))
        await line.cut()
        await commit_event(pool)
        await line.mend()
        await eventually(lambda: all_published(pool))


async def was_paused(logs: Sequence[EventDict], times: int = 1) -> bool:
    return [line["event"] for line in logs].count("outbox_relay_paused") >= times


class LosesTheDatabase(Publisher):
    """Publishes, and then the database is gone before the rows can be marked; once."""

    line: TcpProxy
    published_batches = 0

    async def publish(self, envelopes: Sequence[Envelope]) -> list[UUID]:
        confirmed = await super().publish(envelopes)
        self.published_batches += bool(envelopes)
        if envelopes and self.published_batches == 1:
            await self.line.cut()
            await self.line.mend()
        return confirmed


async def test_a_crash_between_confirm_and_mark_publishes_again_under_the_same_id(
    amqp_url: str, service: ServiceDatabase, pool: Pool, corner: Corner
) -> None:
    """The consumer's inbox absorbs the second."""
    connection = await connect(amqp_url, "test-crash")
    async with TcpProxy(service.url) as line, await open_pool(line.url, service="billing") as distant:
        publisher = LosesTheDatabase(connection, topology=corner.topology)
        publisher.line = line
        event_id = await commit_event(pool)
        async with relaying(distant, publisher):
            await eventually(lambda: all_published(pool))
    await connection.close()
    messages = [await corner.take(corner.work) for _ in range(3)]
    assert [message and message.message_id for message in messages] == [str(event_id)] * 2 + [None]


async def test_rows_published_long_ago_are_pruned_and_unpublished_ones_never(
    pool: Pool, publisher: Publisher
) -> None:
    long_ago = utc_now() - outbox.PUBLISHED_KEPT - timedelta(hours=1)
    await write_row(pool, written_at=long_ago, published_at=long_ago)
    waiting = await write_row(pool, written_at=long_ago, published_at=None)
    recent = await write_row(pool, written_at=utc_now(), published_at=utc_now())

    async def only_the_old_one_is_gone() -> bool:
        rows = await pool.fetch("SELECT id FROM outbox ORDER BY id")
        return [row["id"] for row in rows] == [waiting, recent]

    async with relaying(pool, publisher):
        await eventually(only_the_old_one_is_gone)
