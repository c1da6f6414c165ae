"""How a hold ends: once, as a charge with a record, or as nothing."""

import pytest
from redis.asyncio import Redis

from shared.admission.decisions import (
    Admitted,
    AlreadySettled,
    CallKind,
    CheckpointReply,
    HoldRequest,
    Settled,
)
from shared.admission.desk import AdmissionDesk
from shared.admission.mirror import WAIT_BEFORE_OPENING_MS, IsClosed, Snapshot, write_mirror
from shared.admission.stream import SettlementStream
from shared.admission.tests.building import (
    ACCOUNT,
    NAMES,
    checkpoint_for,
    open_account,
    record_for,
    request_for,
    stored_in,
)
from shared.contracts.gateway import REVISION_SWEPT
from shared.ids import new_request_id


async def admitted(desk: AdmissionDesk, redis: Redis, posted: int = 1000) -> HoldRequest:
    """One running request of 30 tokens."""
    await open_account(redis, posted=posted)
    request = request_for(10, 20)
    assert isinstance(await desk.admit_again(request), Admitted)
    return request


async def test_a_settlement_turns_the_hold_into_a_charge_and_a_record(
    desk: AdmissionDesk, redis: Redis
) -> None:
    request = await admitted(desk, redis)
    record = record_for(request.request_id, 10, 5)
    assert await desk.settle(ACCOUNT, record, tokens_held=30) == Settled(15)
    stored = await stored_in(redis)
    assert (stored.held, stored.journalled, stored.journal) == (0, 15, {request.request_id: (2, 15)})
    stored.assert_counters_are_sums()
    [entry] = await SettlementStream(redis).read_batch("one")
    assert entry.record == record


async def test_a_repeated_settlement_changes_nothing(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    await desk.settle(ACCOUNT, record_for(request.request_id, 10, 5), tokens_held=30)
    before = await stored_in(redis)
    for again in (record_for(request.request_id, 10, 5), record_for(request.request_id, 1, 1, revision=1)):
        assert await desk.settle(ACCOUNT, again, tokens_held=30) == AlreadySettled()
    assert await stored_in(redis) == before


async def test_a_later_revision_replaces_the_charge_and_is_published(
    desk: AdmissionDesk, redis: Redis
) -> None:
    request = await admitted(desk, redis)
    swept = record_for(request.request_id, 3, 4, revision=REVISION_SWEPT)
    await desk.settle(ACCOUNT, swept, tokens_held=30)
    assert await desk.settle(ACCOUNT, record_for(request.request_id, 10, 5), tokens_held=30) == Settled(15)
    stored = await stored_in(redis)
    assert (stored.journal, stored.published) == ({request.request_id: (2, 15)}, 2)
    stored.assert_counters_are_sums()


async def test_a_repeat_is_known_by_the_journal_after_its_mark_has_gone(
    desk: AdmissionDesk, redis: Redis
) -> None:
    request = await admitted(desk, redis)
    record = record_for(request.request_id, 10, 5)
    await desk.settle(ACCOUNT, record, tokens_held=30)
    assert 3_590_000 < await redis.pttl(NAMES.done(request.request_id)) <= 3_600_000
    await redis.delete(NAMES.done(request.request_id))
    assert await desk.settle(ACCOUNT, record, tokens_held=30) == AlreadySettled()


async def test_a_repeat_is_known_by_its_mark_after_the_ledger_has_it(
    desk: AdmissionDesk, redis: Redis
) -> None:
    request = await admitted(desk, redis)
    record = record_for(request.request_id, 10, 5)
    await desk.settle(ACCOUNT, record, tokens_held=30)
    await write_mirror(redis, ACCOUNT, Snapshot(2, 985, ()), {request.request_id: 2})
    assert await desk.settle(ACCOUNT, record, tokens_held=30) == AlreadySettled()
    assert (await stored_in(redis)).journal == {}


async def test_a_settlement_without_its_hold_is_still_charged(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    await redis.flushdb()
    assert await desk.settle(ACCOUNT, record_for(request.request_id, 10, 5), tokens_held=30) == Settled(15)
    assert await desk.balance(ACCOUNT) is None
    assert await write_mirror(redis, ACCOUNT, Snapshot(1, 1000, ()), {}) == IsClosed(WAIT_BEFORE_OPENING_MS)
    stored = await stored_in(redis)
    assert (stored.held, stored.journalled, stored.published) == (0, 15, 1)


async def test_a_charge_above_the_hold_is_an_error_of_the_caller(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    with pytest.raises(ValueError, match="31 tokens charged, 30 held"):
        await desk.settle(ACCOUNT, record_for(request.request_id, 10, 21), tokens_held=30)
    assert (await stored_in(redis)).held == 30


async def test_the_hold_is_the_most_that_is_charged(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    record = record_for(request.request_id, 10, 90)
    assert await desk.settle(ACCOUNT, record, tokens_held=100) == Settled(30)
    assert (await stored_in(redis)).journalled == 30


async def test_a_release_charges_and_publishes_nothing(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    for _ in range(2):
        await desk.release(ACCOUNT, request.request_id)
    stored = await stored_in(redis)
    assert (stored.held, stored.journalled, stored.published) == (0, 0, 0)
    stored.assert_counters_are_sums()


async def test_a_late_release_undoes_no_settlement(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    record = record_for(request.request_id, 10, 5)
    await desk.settle(ACCOUNT, record, tokens_held=30)
    await desk.release(ACCOUNT, request.request_id)
    assert (await stored_in(redis)).journalled == 15
    assert await desk.settle(ACCOUNT, record, tokens_held=30) == AlreadySettled()


async def test_checkpoints_name_the_requests_without_a_hold(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    gone = [new_request_id() for _ in range(3)]
    entries = [checkpoint_for(gone[0], 1, 1), checkpoint_for(request.request_id, 10, 3)]
    entries += [checkpoint_for(request_id, 1, 1) for request_id in gone[1:]]
    assert (await desk.checkpoint(entries)).swept == tuple(gone)
    [hold] = (await stored_in(redis)).holds.values()
    assert (hold.tokens_prompt, hold.tokens_completion) == (10, 3)
    assert await desk.checkpoint([]) == CheckpointReply((), (), ())


async def test_a_late_checkpoint_takes_no_count_back(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    await desk.checkpoint([checkpoint_for(request.request_id, 10, 7)])
    await desk.checkpoint([checkpoint_for(request.request_id, 10, 3)])
    [hold] = (await stored_in(redis)).holds.values()
    assert (hold.tokens, hold.tokens_completion, hold.kind) == (30, 7, CallKind.STREAM)


async def test_a_checkpoint_is_a_sign_of_life(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    await redis.zadd(NAMES.leases, {f"{ACCOUNT}/{request.request_id}": 1})
    await desk.checkpoint([checkpoint_for(request.request_id, 10, 3)])
    [hold] = (await stored_in(redis)).holds.values()
    assert await redis.zscore(NAMES.leases, f"{ACCOUNT}/{request.request_id}") == hold.heartbeat_at_ms
    assert hold.heartbeat_at_ms >= hold.admitted_at_ms


async def test_many_checkpoints_of_one_shard_are_split(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    gone = [new_request_id() for _ in range(501)]
    reply = await desk.checkpoint([checkpoint_for(request_id, 1, 1) for request_id in gone])
    assert reply.swept == tuple(gone)
