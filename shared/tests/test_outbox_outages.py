"""What was committed is published at least once, through every outage, and no outage makes the relay spin."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from structlog.testing import capture_logs
from structlog.typing import EventDict

from shared import outbox
from shared.bus.connection import connect
from shared.bus.publisher import Publisher
from shared.contracts.envelope import Envelope
from shared.postgres import Pool, open_pool
from tests.support.bus import Corner, open_publisher
from tests.support.eventually import eventually
from tests.support.outbox import all_published, commit_event, relaying, unpublished_count
from tests.support.servers import ServiceDatabase
from tests.support.tcp_proxy import TcpProxy


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


async def test_the_relay_survives_an_outage_of_the_database(
    billing: ServiceDatabase, pool: Pool, publisher: Publisher
) -> None:
    async with (
        TcpProxy(billing.url) as line,
        await open_pool(line.url, service="billing") as distant,
        relaying(distant, publisher),
    ):
        await commit_event(pool)
        await eventually(lambda: all_published(pool))
        await line.cut()
        await commit_event(pool)
        await line.mend()
        await eventually(lambda: all_published(pool))


async def test_a_crash_between_confirm_and_mark_publishes_again_under_the_same_id(
    amqp_url: str, billing: ServiceDatabase, pool: Pool, corner: Corner
) -> None:
    """The consumer's inbox absorbs the second."""
    connection = await connect(amqp_url, "test-crash")
    async with TcpProxy(billing.url) as line, await open_pool(line.url, service="billing") as distant:
        publisher = LosesTheDatabase(connection, topology=corner.topology)
        publisher.line = line
        event_id = await commit_event(pool)
        async with relaying(distant, publisher):
            await eventually(lambda: all_published(pool))
    await connection.close()
    messages = [await corner.take(corner.work) for _ in range(3)]
    assert [message and message.message_id for message in messages] == [str(event_id)] * 2 + [None]
