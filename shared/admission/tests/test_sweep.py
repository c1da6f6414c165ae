"""A request whose gateway is gone ends by itself, with what is known of it."""

from redis.asyncio import Redis

from shared.admission.decisions import (
    Admitted,
    AlreadySettled,
    CallKind,
    HoldRequest,
    Settled,
)
from shared.admission.desk import AdmissionDesk
from shared.admission.mirror import Snapshot, write_mirror
from shared.admission.shards import SHARDS, shard_of
from shared.admission.stream import SettlementStream
from shared.admission.sweep import NotStale, StaleLease, Swept, stale_leases, sweep
from shared.admission.tests.building import (
    ACCOUNT,
    KEY,
    NAMES,
    checkpoint_for,
    open_account,
    record_for,
    request_for,
    stored_in,
)
from shared.contracts.gateway import REVISION_SWEPT, Outcome, UsageRecord
from shared.ids import new_request_id

SHARD = shard_of(ACCOUNT)
A_WHILE_SECONDS = 3600.0


async def admitted(desk: AdmissionDesk, redis: Redis, kind: CallKind = CallKind.STREAM) -> HoldRequest:
    await open_account(redis)
    request = request_for(10, 20, kind=kind)
    assert isinstance(await desk.admit_again(request), Admitted)
    return request


async def swept(redis: Redis, request: HoldRequest) -> UsageRecord:
    answer = await sweep(redis, ACCOUNT, request.request_id, 0.0)
    assert isinstance(answer, Swept)
    return answer.record


async def test_a_lost_stream_is_charged_by_its_last_checkpoint(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    await desk.checkpoint([checkpoint_for(request.request_id, 10, 7)])
    record = await swept(redis, request)
    assert (record.tokens_prompt, record.tokens_completion) == (10, 7)
    assert (record.outcome, record.estimated, record.revision) == (Outcome.LOST, True, REVISION_SWEPT)
    assert (record.key_id, record.endpoint, record.model) == (KEY, request.endpoint, request.model)
    assert record.admitted_at <= record.ended_at
    stored = await stored_in(redis)
    assert (stored.held, stored.journal) == (0, {request.request_id: (REVISION_SWEPT, 17)})
    stored.assert_counters_are_sums()
    assert [entry.record for entry in await SettlementStream(redis).read_batch("one")] == [record]


async def test_a_lost_stream_without_a_checkpoint_costs_nothing(desk: AdmissionDesk, redis: Redis) -> None:
    assert (await swept(redis, await admitted(desk, redis))).tokens == 0


async def test_a_lost_whole_call_costs_nothing(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis, CallKind.WHOLE)
    await desk.checkpoint([checkpoint_for(request.request_id, 10, 7)])
    record = await swept(redis, request)
    assert (record.tokens, record.outcome) == (0, Outcome.LOST)
    assert (await stored_in(redis)).journal == {request.request_id: (REVISION_SWEPT, 0)}


async def test_a_checkpoint_above_the_hold_is_charged_as_the_hold(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    await desk.checkpoint([checkpoint_for(request.request_id, 12, 99)])
    record = await swept(redis, request)
    assert (record.tokens_prompt, record.tokens_completion) == (12, 18)


async def test_a_request_with_a_heartbeat_is_left_alone(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    assert await sweep(redis, ACCOUNT, request.request_id, A_WHILE_SECONDS) == NotStale()
    assert (await stored_in(redis)).held == 30


async def test_a_heartbeat_between_reading_and_sweeping_saves_the_request(
    desk: AdmissionDesk, redis: Redis
) -> None:
    request = await admitted(desk, redis)

    class LateHeartbeat(Redis):
        """Another client, for which a checkpoint arrives just after it has read the hold."""

        async def hget(self, name: str, key: str) -> bytes | None:  # type: ignore[override]
            packed = await redis.hget(name, key)
            await desk.checkpoint([checkpoint_for(request.request_id, 10, 7)])
            assert packed is None or isinstance(packed, bytes)
            return packed

    late = LateHeartbeat(connection_pool=redis.connection_pool)
    assert await sweep(late, ACCOUNT, request.request_id, 0.0) == NotStale()
    assert (await stored_in(redis)).held == 30


async def test_a_request_is_swept_once(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    await swept(redis, request)
    assert await sweep(redis, ACCOUNT, request.request_id, 0.0) == NotStale()
    assert await sweep(redis, ACCOUNT, new_request_id(), 0.0) == NotStale()
    assert (await stored_in(redis)).published == 1


async def test_a_gateway_that_comes_back_learns_it_and_corrects(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    await desk.checkpoint([checkpoint_for(request.request_id, 10, 2)])
    await swept(redis, request)
    reply = await desk.checkpoint([checkpoint_for(request.request_id, 10, 9)])
    assert reply.swept == (request.request_id,)
    await write_mirror(redis, ACCOUNT, Snapshot(2, 988, ()), {request.request_id: REVISION_SWEPT})
    served = record_for(request.request_id, 10, 9)
    assert await desk.settle(ACCOUNT, served, tokens_held=30) == Settled(19)
    stored = await stored_in(redis)
    assert (stored.journal, stored.published) == ({request.request_id: (2, 19)}, 2)
    stored.assert_counters_are_sums()


async def test_what_its_gateway_settled_is_not_swept(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    await desk.settle(ACCOUNT, record_for(request.request_id, 10, 9), tokens_held=30)
    assert await sweep(redis, ACCOUNT, request.request_id, 0.0) == NotStale()
    late = record_for(request.request_id, 0, 0, revision=REVISION_SWEPT)
    assert await desk.settle(ACCOUNT, late, tokens_held=30) == AlreadySettled()


async def test_stale_leases_come_oldest_first_and_bounded(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    requests = [request_for(1, 1) for _ in range(3)]
    for age, request in enumerate(requests):
        await desk.admit_again(request)
        await redis.zadd(NAMES.leases, {f"{ACCOUNT}/{request.request_id}": 1000 - age})
    stale = await stale_leases(redis, SHARD, A_WHILE_SECONDS, 2)
    assert stale == [StaleLease(ACCOUNT, request.request_id) for request in (requests[2], requests[1])]
    assert await stale_leases(redis, (SHARD + 1) % SHARDS, 0.0, 10) == []


async def test_a_fresh_lease_is_not_stale(desk: AdmissionDesk, redis: Redis) -> None:
    request = await admitted(desk, redis)
    assert await stale_leases(redis, SHARD, A_WHILE_SECONDS, 10) == []
    assert await stale_leases(redis, SHARD, 0.0, 10) == [StaleLease(ACCOUNT, request.request_id)]
