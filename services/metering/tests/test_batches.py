"""Which batches are posted is known exactly, and one that stays missing is told once."""

from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from services.metering.adapters.batches_postgres import list_announced, list_posted_through
from services.metering.domain.batches import Batch, Gap, is_drained, last_of_each
from services.metering.tests.building import NOON, Books, record_for
from services.metering.use_cases.follow_batches import follow_batches
from services.metering.use_cases.give_up_batches import give_up_batches
from shared.admission.sequences import write_sequence

pytestmark = pytest.mark.usefixtures("no_batches")

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


async def post(books: Books, gateway: str, *sequences: int) -> None:
    account_id = await books.open_account()
    for sequence in sequences:
        await books.post_batch(gateway, sequence, record_for(account_id, 1))


async def posted_through(books: Books, gateway: str, last: int) -> list[int]:
    """Up to which numbers everything is posted."""
    asked = [Batch(gateway, sequence) for sequence in range(1, last + 1)]
    async with books.pool.acquire() as connection:
        return sorted(batch.sequence for batch in await list_posted_through(connection, asked))


async def told(books: Books, redis: Redis, now: datetime) -> list[tuple[str, str, int, int]]:
    with capture_logs() as logs:
        await follow_batches(books.pool, redis, now)
    return [(entry["event"], entry["gateway"], entry["first"], entry["last"]) for entry in logs]


async def test_a_batch_counts_when_none_before_it_is_missing(books: Books, redis: Redis) -> None:
    await post(books, "a", 1, 2, 4)
    assert await posted_through(books, "a", 5) == [1, 2]
    await follow_batches(books.pool, redis, NOON)
    assert await posted_through(books, "a", 5) == [1, 2]
    await post(books, "a", 3, 3)
    assert await posted_through(books, "a", 5) == [1, 2, 3, 4]
    assert await posted_through(books, "never heard of", 1) == []


async def test_folding_keeps_one_row_for_each_gateway(books: Books, redis: Redis) -> None:
    await post(books, "b", 2, 1, 5, 6)
    await follow_batches(books.pool, redis, NOON)
    await follow_batches(books.pool, redis, NOON)
    posted = await books.pool.fetchval("SELECT posted::text FROM gateways WHERE gateway = 'b'")
    assert (posted, await books.pool.fetchval("SELECT count(*) FROM posted_batches")) == ("{[1,3),[5,7)}", 0)


async def test_the_highest_number_announced_stays(books: Books, redis: Redis) -> None:
    await write_sequence(redis, "c", 3)
    await follow_batches(books.pool, redis, NOON)
    await redis.flushdb()
    await write_sequence(redis, "c", 2)
    await follow_batches(books.pool, redis, NOON)
    assert (await list_announced(books.pool))["c"] == 3


async def test_a_gap_that_lasts_is_told_once(books: Books, redis: Redis) -> None:
    await post(books, "d", 1, 3)
    await write_sequence(redis, "d", 3)
    assert await told(books, redis, NOON) == []
    assert await told(books, redis, NOON + MINUTE) == [("batches_missing", "d", 2, 3)]
    assert await told(books, redis, NOON + 2 * MINUTE) == []
    await post(books, "d", 2)
    assert await told(books, redis, NOON + 3 * MINUTE) == []


async def test_a_lag_that_moves_is_no_gap(books: Books, redis: Redis) -> None:
    for sequence in range(1, 5):
        await write_sequence(redis, "e", sequence + 1)
        await post(books, "e", sequence)
        assert await told(books, redis, NOON + sequence * MINUTE) == []


async def test_a_gap_is_given_up_after_a_day(books: Books, redis: Redis) -> None:
    await post(books, "f", 1)
    await write_sequence(redis, "f", 2)
    await told(books, redis, NOON)
    await told(books, redis, NOON + MINUTE)
    await write_sequence(redis, "f", 3)
    assert ("batches_given_up", "f", 2, 2) in await told(books, redis, NOON + DAY)
    assert await posted_through(books, "f", 3) == [1, 2]


async def test_what_the_broker_lost_is_given_up_when_the_operator_says_so(books: Books, redis: Redis) -> None:
    await post(books, "i", 1, 3)
    await write_sequence(redis, "i", 3)
    await told(books, redis, NOON)
    assert await give_up_batches(books.pool, NOON + MINUTE) == [Gap("i", 2, 3)]
    assert await posted_through(books, "i", 3) == [1, 2, 3]
    assert await give_up_batches(books.pool, NOON + MINUTE) == []


async def test_what_may_still_be_on_its_way_is_not_given_up(books: Books, redis: Redis) -> None:
    await write_sequence(redis, "j", 1)
    await told(books, redis, NOON)
    assert await give_up_batches(books.pool, NOON + MINUTE - timedelta(seconds=1)) == []
    assert await posted_through(books, "j", 1) == []


async def test_what_came_meanwhile_is_not_given_up(books: Books, redis: Redis) -> None:
    await write_sequence(redis, "k", 1)
    await told(books, redis, NOON)
    await post(books, "k", 1)
    assert await give_up_batches(books.pool, NOON + MINUTE) == []


async def test_a_gateway_that_is_gone_is_forgotten(books: Books, redis: Redis) -> None:
    await write_sequence(redis, "g", 1)
    await follow_batches(books.pool, redis, NOON)
    await redis.flushdb()
    await follow_batches(books.pool, redis, NOON + DAY)
    assert "g" not in await list_announced(books.pool)


async def test_a_gateway_that_lives_is_kept_however_little_it_publishes(books: Books, redis: Redis) -> None:
    await write_sequence(redis, "h", 1)
    for hour in range(0, 49, 2):
        await follow_batches(books.pool, redis, NOON + hour * timedelta(hours=1))
    assert (await list_announced(books.pool))["h"] == 1


def test_of_several_sources_the_highest_number_counts() -> None:
    assert last_of_each({"a": 3, "b": 1}, {"a": 2, "c": 5}) == {"a": 3, "b": 1, "c": 5}


def test_all_batches_of_a_drain_must_be_posted() -> None:
    assert is_drained({}, set())
    assert not is_drained({"a": 2, "b": 1}, {Batch("a", 2)})
    assert is_drained({"a": 2, "b": 1}, {Batch("a", 2), Batch("b", 1)})
