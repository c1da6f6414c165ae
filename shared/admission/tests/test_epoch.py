"""A new life of Redis is noticed, whatever ended the one before; so is a pause in which nobody was heard."""

from redis.asyncio import Redis

from shared.admission.epoch import PAUSE_MS, read_epoch
from shared.admission.keys import EPOCH_MARKER, SEQUENCES
from shared.admission.sequences import (
    FORGET_AFTER_MS,
    HEARD_WITHIN_MS,
    count_untold,
    read_sequences,
    write_sequence,
)


async def let_pass(redis: Redis, field: str, milliseconds: int) -> None:
    """Time is the test's: what happened then is so much longer ago."""
    await redis.hincrby(EPOCH_MARKER, field, -milliseconds)


async def test_an_epoch_stays_the_same_until_something_is_lost(redis: Redis) -> None:
    first = await read_epoch(redis)
    assert await read_epoch(redis) == first
    assert first.run_id == (await redis.info("server"))["run_id"]


async def test_emptied_data_begins_an_epoch_in_the_same_run(redis: Redis) -> None:
    before = await read_epoch(redis)
    await redis.flushall()
    after = await read_epoch(redis)
    assert (after != before, after.run_id) == (True, before.run_id)


async def test_a_restart_from_a_file_begins_an_epoch(redis: Redis) -> None:
    """The marker was in the file; the run that wrote it is over."""
    before = await read_epoch(redis)
    await redis.hset(EPOCH_MARKER, "run_id", "the run before")
    assert (await read_epoch(redis)).marker != before.marker


async def test_an_epoch_is_steady_since_it_began(redis: Redis) -> None:
    assert (await read_epoch(redis)).steady_seconds < 5
    await let_pass(redis, "since", 60_000)
    assert 60 <= (await read_epoch(redis)).steady_seconds < 65


async def test_a_redis_that_nobody_could_reach_is_steady_anew(redis: Redis) -> None:
    before = await read_epoch(redis)
    await let_pass(redis, "since", 60_000)
    await let_pass(redis, "seen", PAUSE_MS + 1)
    after = await read_epoch(redis)
    assert after == before
    assert after.steady_seconds < 5


async def test_the_last_sequence_of_each_gateway_is_kept_and_never_goes_back(redis: Redis) -> None:
    for gateway, sequence in (("a", 3), ("b", 0), ("a", 2), ("c", 1)):
        await write_sequence(redis, gateway, sequence)
    assert await read_sequences(redis) == {"a": 3, "c": 1}


async def test_who_has_settlements_to_tell_again_is_counted_until_it_has_told_or_is_silent(
    redis: Redis,
) -> None:
    await write_sequence(redis, "a", 3, untold=20_000)
    await write_sequence(redis, "b", 1, untold=7)
    assert await count_untold(redis) == 20_007
    await write_sequence(redis, "b", 1)
    assert await count_untold(redis) == 20_000
    seconds, _ = await redis.time()
    await redis.hset(SEQUENCES, "a", f"3:{seconds * 1000 - HEARD_WITHIN_MS - 1000}:20000")
    assert await count_untold(redis) == 0
    assert await read_sequences(redis) == {"a": 3, "b": 1}


async def test_a_gateway_that_is_gone_for_a_day_is_forgotten(redis: Redis) -> None:
    await write_sequence(redis, "gone", 3)
    seconds, _ = await redis.time()
    await redis.hset(SEQUENCES, "gone", f"3:{seconds * 1000 - FORGET_AFTER_MS - 1000}")
    await write_sequence(redis, "here", 1)
    assert await read_sequences(redis) == {"here": 1}
