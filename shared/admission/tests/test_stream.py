"""No settlement is lost between Redis and the bus, and none is forgotten before it is confirmed."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.admission import stream as module
from shared.admission.desk import AdmissionDesk
from shared.admission.entries import Entry
from shared.admission.keys import settled_of
from shared.admission.shards import SHARDS, shard_of
from shared.admission.stream import GROUP, STREAMS, SettlementStream
from shared.admission.tests.building import ACCOUNT, NAMES, record_for
from shared.contracts.gateway import UsageRecord
from shared.ids import AccountId, new_request_id


@pytest.fixture
def stream(redis: Redis) -> SettlementStream:
    return SettlementStream(redis)


async def settle(desk: AdmissionDesk, account_id: AccountId = ACCOUNT) -> UsageRecord:
    record = record_for(new_request_id(), 3, 4)
    await desk.settle(account_id, record, tokens_held=7)
    return record


async def read(stream: SettlementStream, consumer: str = "one") -> list[Entry]:
    return await stream.read_batch(consumer)


async def test_one_read_takes_from_all_shards(desk: AdmissionDesk, stream: SettlementStream) -> None:
    accounts = [AccountId(f"account{n}") for n in range(8)]
    records = [await settle(desk, account_id) for account_id in accounts]
    batch = await read(stream)
    assert {entry.record.request_id for entry in batch} == {record.request_id for record in records}
    assert {entry.id.shard for entry in batch} == {shard_of(account_id) for account_id in accounts}
    assert await read(stream) == []


async def test_a_large_batch_leaves_others_their_turns(
    desk: AdmissionDesk, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the stream, however many turns it takes."""
    monkeypatch.setattr(module, "READ_AT_ONCE", 2)
    records = [await settle(desk) for _ in range(5)]
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    raw: Any = await redis.xrange(settled_of(shard_of(ACCOUNT)))
    counting = asyncio.create_task(count_turns())
    entries = await module.read_in_turns([(shard_of(ACCOUNT), raw)])
    counting.cancel()
    assert [entry.record for entry in entries] == records
    assert turns >= 2


async def test_an_entry_goes_to_one_reader(desk: AdmissionDesk, stream: SettlementStream) -> None:
    await read(stream)
    await settle(desk)
    assert [len(await read(stream, consumer)) for consumer in ("one", "two")] == [1, 0]


async def test_an_entry_is_unconfirmed_until_acknowledged(
    desk: AdmissionDesk, stream: SettlementStream
) -> None:
    await read(stream)
    assert await stream.unconfirmed_count() == 0
    await settle(desk)
    await settle(desk, AccountId("other000"))
    assert await stream.unconfirmed_count() == 2
    batch = await read(stream)
    assert await stream.unconfirmed_count() == 2
    for _ in range(2):
        await stream.acknowledge([entry.id for entry in batch])
        assert await stream.unconfirmed_count() == 0


async def test_a_dead_readers_entries_are_reclaimed(desk: AdmissionDesk, stream: SettlementStream) -> None:
    await settle(desk)
    batch = await read(stream, "dead")
    assert await stream.reclaim("alive", idle_ms=5_000) == []
    assert await stream.reclaim("alive", idle_ms=0) == batch
    await stream.acknowledge([entry.id for entry in batch])
    assert await stream.reclaim("alive", idle_ms=0) == []


async def test_an_emptied_redis_is_read_on(
    desk: AdmissionDesk, stream: SettlementStream, redis: Redis
) -> None:
    await read(stream)
    await redis.flushdb()
    record = await settle(desk)
    assert await stream.reclaim("one", idle_ms=0) == []
    assert [entry.record for entry in await read(stream)] == [record]
    assert await stream.unconfirmed_count() == 1


async def test_trimming_removes_only_what_is_confirmed(
    desk: AdmissionDesk, stream: SettlementStream, redis: Redis
) -> None:
    for _ in range(3):
        await settle(desk)
    first, second, third = await read(stream)
    await settle(desk)
    await wait_a_millisecond(redis)
    await stream.acknowledge([first.id])
    assert await stream.trim(keep_ms=0) == 1
    await stream.acknowledge([third.id])
    assert await stream.trim(keep_ms=0) == 0
    assert await stream.reclaim("two", idle_ms=0) == [second]
    assert len(await read(stream)) == 1
    assert await stream.unconfirmed_count() == 2


async def test_a_reader_that_is_gone_is_forgotten_once_nothing_waits_for_it(
    desk: AdmissionDesk, stream: SettlementStream, redis: Redis
) -> None:
    """Every start of a gateway is a reader of its own."""
    await settle(desk)
    [entry] = await read(stream, "gone")
    await wait_a_millisecond(redis)
    await stream.trim(silent_ms=0)
    assert await readers(redis) == {b"gone"}
    await stream.reclaim("here", idle_ms=0)
    await stream.acknowledge([entry.id])
    await stream.trim()
    assert await readers(redis) == {b"gone", b"here"}
    await stream.trim(silent_ms=-1)
    assert await readers(redis) == set()
    await settle(desk)
    assert len(await read(stream, "here")) == 1


async def readers(redis: Redis) -> set[bytes]:
    return {reader["name"] for reader in await redis.xinfo_consumers(NAMES.settled, GROUP)}


async def test_what_nobody_has_read_is_not_trimmed(desk: AdmissionDesk, stream: SettlementStream) -> None:
    await settle(desk)
    assert await stream.trim(keep_ms=0) == 0
    assert len(await read(stream)) == 1


async def test_confirmed_entries_are_kept_for_replay(desk: AdmissionDesk, stream: SettlementStream) -> None:
    await settle(desk)
    await stream.acknowledge([entry.id for entry in await read(stream)])
    assert await stream.trim() == 0


async def test_all_that_is_kept_can_be_read_again_and_stays_as_it_is(
    desk: AdmissionDesk, stream: SettlementStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENTRIES_PER_PAGE", 2)
    records = [await settle(desk) for _ in range(5)]
    await stream.acknowledge([entry.id for entry in (await read(stream))[:3]])
    assert [entry.record async for page in stream.kept() for entry in page] == records
    assert await stream.unconfirmed_count() == 2


async def test_trimming_leaves_the_count_right(
    desk: AdmissionDesk, stream: SettlementStream, redis: Redis
) -> None:
    for _ in range(5):
        await settle(desk)
    batch = await read(stream)
    await stream.acknowledge([entry.id for entry in batch[:4]])
    await settle(desk)
    await wait_a_millisecond(redis)
    assert await stream.trim(keep_ms=0) == 4
    assert await stream.unconfirmed_count() == 2
    assert await redis.xlen(NAMES.settled) == 2


async def test_an_unreadable_entry_holds_nothing_up_and_stays_counted(
    desk: AdmissionDesk, stream: SettlementStream, redis: Redis
) -> None:
    await redis.xadd(NAMES.settled, {"r": "{}"})
    record = await settle(desk)
    assert [entry.record for entry in await read(stream)] == [record]
    assert await stream.unconfirmed_count() == 2


async def test_every_shard_has_its_group_after_the_first_read(stream: SettlementStream, redis: Redis) -> None:
    await redis.xgroup_create(settled_of(5), GROUP, id="0", mkstream=True)
    await read(stream)
    assert len(STREAMS) == SHARDS
    for name in STREAMS:
        assert len(await redis.xinfo_groups(name)) == 1


async def wait_a_millisecond(redis: Redis) -> None:
    """By Redis's own clock: an id of this millisecond is not older than now."""
    latest: Any = await redis.xrevrange(NAMES.settled, count=1)
    latest_ms = int(latest[0][0].split(b"-")[0])
    now_ms = latest_ms
    while now_ms <= latest_ms:
        seconds, microseconds = await redis.time()
        now_ms = seconds * 1000 + microseconds // 1000


async def test_beyond_its_size_the_oldest_confirmed_entries_go(
    desk: AdmissionDesk, stream: SettlementStream, redis: Redis
) -> None:
    for _ in range(600):
        await settle(desk)
    batch = await read_all(stream)
    await stream.acknowledge(entry.id for entry in batch[:-1])
    size = await redis.memory_usage(NAMES.settled)
    assert size is not None
    assert await stream.trim(keep_bytes=10 * size) == 0
    assert 200 <= await stream.trim(keep_bytes=size // 2) <= 400
    await stream.trim(keep_bytes=0)
    assert await redis.xlen(NAMES.settled) <= 101
    assert await stream.reclaim("two", idle_ms=0) == [batch[-1]]


async def test_no_size_removes_what_is_not_confirmed(desk: AdmissionDesk, stream: SettlementStream) -> None:
    for _ in range(300):
        await settle(desk)
    first, *_ = await read_all(stream)
    assert await stream.trim(keep_bytes=0) == 0
    assert (await stream.reclaim("two", idle_ms=0))[0] == first


async def read_all(stream: SettlementStream) -> list[Entry]:
    entries: list[Entry] = []
    while batch := await read(stream):
        entries += batch
    return entries
