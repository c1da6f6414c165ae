"""A revocation cannot be undone by a write that comes late."""

from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from shared.admission.decisions import Admitted, RateState, Refusal, Refused
from shared.admission.desk import AdmissionDesk
from shared.admission.key_records import KeyState, put_key
from shared.admission.tests.building import (
    ACCOUNT,
    DIGEST,
    NAMES,
    checkpoint_for,
    key_record,
    open_account,
    request_for,
)
from shared.ids import new_request_id

KEY_LIMIT = 60


async def test_an_older_write_after_a_tombstone_is_dropped(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    assert await put_key(redis, key_record(state=KeyState.REVOKED, version=2))
    assert not await put_key(redis, key_record(version=1))
    assert await desk.admit_again(request_for()) == Refused(Refusal.KEY_REVOKED, 0, None)


async def test_a_tombstone_may_come_first(redis: Redis) -> None:
    assert await put_key(redis, key_record(state=KeyState.REVOKED, version=2))
    assert not await put_key(redis, key_record(version=1))
    assert await redis.hget(NAMES.key(DIGEST), "state") == b"revoked"


async def test_the_same_version_may_be_written_again(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    before = await redis.hgetall(NAMES.key(DIGEST))
    assert await put_key(redis, key_record(version=1))
    assert await redis.hgetall(NAMES.key(DIGEST)) == before


async def test_a_later_version_changes_the_limits(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    assert await put_key(redis, key_record(version=2, limit_per_minute=7, limit_concurrent=1))
    decision = await desk.admit_again(request_for())
    assert isinstance(decision, Admitted)
    assert decision.rate.limit == 7


async def test_a_key_written_again_belongs_to_this_epoch(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    await redis.hset(NAMES.key(DIGEST), "epoch", "the run before")
    await put_key(redis, key_record(version=1))
    assert isinstance(await desk.admit_again(request_for()), Admitted)


async def test_a_tombstone_of_another_epoch_still_wins(redis: Redis) -> None:
    await put_key(redis, key_record(state=KeyState.REVOKED, version=2))
    await redis.hset(NAMES.key(DIGEST), "epoch", "the run before")
    assert not await put_key(redis, key_record(version=1))


@pytest.mark.parametrize(
    ("ends_in", "works"), [(timedelta(minutes=1), True), (timedelta(milliseconds=-1), False)]
)
async def test_a_key_ends_at_its_time_without_anybody_writing_so(
    desk: AdmissionDesk, redis: Redis, ends_in: timedelta, works: bool
) -> None:
    """accounts may be down then: every door looks at the clock itself."""
    await open_account(redis)
    running = request_for()
    assert isinstance(await desk.admit_again(running), Admitted)
    await put_key(redis, key_record(version=2, expires_at=datetime.now(UTC) + ends_in))
    refused = Refused(Refusal.KEY_REVOKED, 0, None)
    admitted = await desk.admit_again(request_for())
    authenticated = await desk.authenticate(new_request_id(), DIGEST, ACCOUNT, ip_subject="a", ip_limit=9)
    looked = await desk.look(new_request_id(), DIGEST, ACCOUNT, ip_subject="b", ip_limit=9)
    assert [admitted != refused, authenticated != refused] == [works, works]
    assert isinstance(looked, RateState)
    assert (looked.limit == KEY_LIMIT) is works
    reply = await desk.checkpoint([checkpoint_for(running.request_id, 1, 1)])
    assert (running.request_id in reply.revoked) is not works
