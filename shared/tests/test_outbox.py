"""What was committed is published, in order and once the relay hears of it; what was rolled back never."""

from datetime import timedelta

import pytest

from shared import outbox
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.contracts.envelope import Envelope
from shared.outbox import BATCH_ROWS_MAX
from shared.postgres import Pool
from tests.support.bus import Corner, open_publisher
from tests.support.eventually import eventually
from tests.support.outbox import (
    Unheard,
    add_event,
    all_published,
    commit_event,
    relaying,
    unpublished_count,
    write_row,
)
from tests.support.servers import ServiceDatabase


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


async def test_what_the_broker_lost_after_its_confirm_can_be_published_again(
    pool: Pool, publisher: Publisher, corner: Corner, billing: ServiceDatabase
) -> None:
    async with relaying(pool, publisher):
        event_id = await commit_event(pool)
        await eventually(lambda: all_published(pool))
        await corner.delete_queue(corner.work)
        assert await outbox.publish_again(billing.url) == 1
        await eventually(lambda: all_published(pool))
    message = await corner.take(corner.work)
    assert message is not None
    assert Envelope.from_json(message.body).id == event_id
