"""An event takes effect once, however often and however badly timed it is delivered."""

import asyncio
from datetime import timedelta
from uuid import UUID

from shared import inbox
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.contracts.envelope import Envelope
from shared.ids import first_uuid7_at, new_uuid7
from shared.postgres import Pool
from tests.support.bus import Corner, consuming, event
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy


class Effects:
    """A handler whose effect can be counted: a row in the outbox, in the inbox's transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.calls = 0

    async def __call__(self, envelope: Envelope) -> None:
        self.calls += 1
        async with self._pool.acquire() as connection, connection.transaction():
            if await inbox.first_time(connection, envelope.id):
                await connection.execute(
                    "INSERT INTO outbox (id, type, subject, body) VALUES ($1, 'effect', $2, '{}')",
                    new_uuid7(),
                    str(envelope.id),
                )

    async def of(self, event_id: UUID) -> int:
        count: int = await self._pool.fetchval(
            "SELECT count(*) FROM outbox WHERE type = 'effect' AND subject = $1", str(event_id)
        )
        return count

    async def was_called(self, times: int) -> bool:
        return self.calls >= times


async def test_the_first_delivery_counts_and_the_second_does_not(pool: Pool) -> None:
    event_id = new_uuid7()
    async with pool.acquire() as connection:
        assert await inbox.first_time(connection, event_id)
        assert not await inbox.first_time(connection, event_id)


async def test_a_rolled_back_delivery_does_not_count(pool: Pool) -> None:
    event_id = new_uuid7()
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert await inbox.first_time(connection, event_id)
        await transaction.rollback()
        assert await inbox.first_time(connection, event_id)


async def test_of_two_deliveries_at_once_one_takes_effect(pool: Pool) -> None:
    effects, fact = Effects(pool), event()
    await asyncio.gather(*(effects(fact) for _ in range(5)))
    assert await effects.of(fact.id) == 1


async def test_a_message_delivered_twice_has_one_effect(
    amqp_url: str, pool: Pool, publisher: Publisher, corner: Corner
) -> None:
    effects, fact = Effects(pool), event()
    async with consuming(amqp_url, publisher, corner, effects):
        await publisher.publish([fact])
        await publisher.publish([fact])
        await eventually(lambda: effects.was_called(2))
    assert await effects.of(fact.id) == 1
    assert await corner.count(corner.work) == 0


async def test_a_crash_between_commit_and_acknowledgement_has_one_effect(
    pool: Pool, publisher: Publisher, corner: Corner, line: TcpProxy
) -> None:
    effects, fact = Effects(pool), event()

    async def commit_then_lose_the_broker(envelope: Envelope) -> None:
        await effects(envelope)
        if effects.calls == 1:
            await line.cut()

    async with consuming(line.url, publisher, corner, commit_then_lose_the_broker):
        await publisher.publish([fact])
        await eventually(lambda: effects.was_called(1))
        await eventually(lambda: corner.has(corner.work, 1))
        await line.mend()
        await eventually(lambda: effects.was_called(2))
    assert await effects.of(fact.id) == 1
    assert await corner.count(corner.work) == 0


async def test_of_several_events_those_seen_are_told_apart(pool: Pool) -> None:
    first, second = new_uuid7(), new_uuid7()
    async with pool.acquire() as connection:
        await inbox.remember(connection, [first, first])
        assert await inbox.list_seen(connection, [first, second]) == {first}
        assert not await inbox.first_time(connection, first)


async def test_old_events_are_forgotten_some_at_a_time_and_late_ones_are_kept(pool: Pool) -> None:
    """An event that was parked for a long time came a moment ago, and may come again."""
    now = utc_now()
    long_ago = now - inbox.KEPT - timedelta(days=1)
    old, late, recent = first_uuid7_at(long_ago), UUID(int=first_uuid7_at(long_ago).int + 1), new_uuid7()
    async with pool.acquire() as connection:
        await inbox.remember(connection, [late, recent])
        await connection.execute("INSERT INTO inbox (event_id, received_at) VALUES ($1, $2)", old, long_ago)
        assert await inbox.prune(pool, now) == 1
        assert await inbox.prune(pool, now) == 0
        assert await inbox.list_seen(connection, [old, late, recent]) == {late, recent}
