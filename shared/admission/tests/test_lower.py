"""Lowering by hold: all or nothing, of paid tokens that nobody is using, once per id, and never swept."""

import pytest
from redis.asyncio import Redis

from shared.admission.decisions import Admitted
from shared.admission.desk import AdmissionDesk
from shared.admission.lower import Ended, Held, NotEnough, NotOpen, Room, lower, read_room
from shared.admission.mirror import Snapshot, write_mirror
from shared.admission.shards import shard_of
from shared.admission.sweep import stale_leases
from shared.admission.tests.building import (
    ACCOUNT,
    FAR_FUTURE_MS,
    LONG_AGO_MS,
    open_account,
    open_ids,
    record_for,
    request_for,
    stored_in,
)
from shared.ids import RequestId, new_uuid7


async def test_what_is_lowered_is_held_and_can_not_be_spent(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=100)
    lowering_id = new_uuid7()
    assert await lower(redis, ACCOUNT, lowering_id, 80) == Held()
    view = await desk.balance(ACCOUNT)
    assert view is not None
    assert (view.available, view.held) == (20, 80)
    assert not isinstance(await desk.admit_again(request_for(10, 20)), Admitted)
    (await stored_in(redis)).assert_counters_are_sums()
    assert await open_ids(redis) == {str(lowering_id)}


async def test_asked_again_it_holds_once(redis: Redis) -> None:
    await open_account(redis, posted=100)
    lowering_id = new_uuid7()
    for _ in range(3):
        assert await lower(redis, ACCOUNT, lowering_id, 80) == Held()
    assert (await stored_in(redis)).held == 80


async def test_more_than_is_available_holds_nothing(redis: Redis) -> None:
    await open_account(redis, posted=100)
    assert await lower(redis, ACCOUNT, new_uuid7(), 101) == NotEnough(100)
    assert (await stored_in(redis)).held == 0


@pytest.mark.parametrize(
    ("trial", "available"),
    [((), 70), ((("t", 20, FAR_FUTURE_MS),), 90), ((("t", 900, FAR_FUTURE_MS),), 100)],
)
async def test_what_ends_is_not_lowered_but_pays_first_for_what_runs(
    desk: AdmissionDesk, redis: Redis, trial: tuple[tuple[str, int, int], ...], available: int
) -> None:
    await open_account(redis, posted=100, grants=(("ended", 500, LONG_AGO_MS), *trial))
    await desk.admit_again(request_for(10, 20))
    assert await lower(redis, ACCOUNT, new_uuid7(), 101) == NotEnough(available)
    assert await lower(redis, ACCOUNT, new_uuid7(), available) == Held()


async def test_what_is_settled_is_not_lowered(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=100)
    request = request_for(10, 20)
    await desk.admit_again(request)
    await desk.settle(ACCOUNT, record_for(request.request_id, 10, 15), tokens_held=30)
    assert await lower(redis, ACCOUNT, new_uuid7(), 76) == NotEnough(75)


async def test_two_lowerings_do_not_take_the_same(redis: Redis) -> None:
    """Neither may the second rely on the first using up the trial."""
    await open_account(redis, posted=100, grants=(("t", 50, FAR_FUTURE_MS),))
    assert await lower(redis, ACCOUNT, new_uuid7(), 80) == Held()
    assert await lower(redis, ACCOUNT, new_uuid7(), 30) == NotEnough(20)


async def test_of_an_account_that_owes_nothing_is_lowered(redis: Redis) -> None:
    await open_account(redis, posted=-50, grants=(("t", 100, FAR_FUTURE_MS),))
    assert await lower(redis, ACCOUNT, new_uuid7(), 1) == NotEnough(0)


async def test_the_pass_that_carries_the_lower_balance_ends_the_hold(redis: Redis) -> None:
    await open_account(redis, posted=100)
    lowering_id = new_uuid7()
    await lower(redis, ACCOUNT, lowering_id, 80)
    await write_mirror(redis, ACCOUNT, Snapshot(2, 20, ()), {RequestId(str(lowering_id)): 1})
    stored = await stored_in(redis)
    assert (stored.held, stored.account["posted"]) == (0, "20")
    stored.assert_counters_are_sums()
    assert await lower(redis, ACCOUNT, lowering_id, 80) == Ended()


async def test_a_lowering_is_never_swept(redis: Redis) -> None:
    await open_account(redis, posted=100)
    await lower(redis, ACCOUNT, new_uuid7(), 80)
    assert await stale_leases(redis, shard_of(ACCOUNT), 0.0, 10) == []


async def test_an_account_that_is_not_open_lowers_nothing(redis: Redis) -> None:
    assert await lower(redis, ACCOUNT, new_uuid7(), 1) == NotOpen()
    await open_account(redis, posted=100)
    await redis.flushdb()
    await write_mirror(redis, ACCOUNT, Snapshot(2, 100, ()), {})
    assert await lower(redis, ACCOUNT, new_uuid7(), 1) == NotOpen()
    assert await read_room(redis, ACCOUNT) is None


async def test_room_is_what_is_valid_less_what_is_in_use_also_below_zero(
    desk: AdmissionDesk, redis: Redis
) -> None:
    await open_account(redis, posted=100, grants=(("t", 20, FAR_FUTURE_MS), ("ended", 500, LONG_AGO_MS)))
    await desk.admit_again(request_for(10, 20))
    assert await read_room(redis, ACCOUNT) == Room(version=1, unused=90)
    await write_mirror(redis, ACCOUNT, Snapshot(2, -60, (("t", 20, FAR_FUTURE_MS),)), {})
    assert await read_room(redis, ACCOUNT) == Room(version=2, unused=-70)
