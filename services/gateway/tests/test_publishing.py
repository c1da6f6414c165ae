"""From the settlement streams to the bus: nothing counts as published before the broker has it, nothing is skipped."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from services.gateway.tests.support.accounts import Account, open_account
from services.gateway.tests.support.chat import CHAT, QUESTION
from services.gateway.tests.support.usage import UsageListener
from services.gateway.use_cases import publish_usage
from services.gateway.use_cases.publish_usage import UsageBus, UsageRelay
from shared.admission.decisions import Admitted, CallKind, HoldRequest, PromptCount
from shared.admission.desk import AdmissionDesk
from shared.admission.stream import SettlementStream
from shared.bus.connection import Connection, connect
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.contracts.catalogue import unwrap
from shared.contracts.envelope import Envelope
from shared.contracts.gateway import Outcome, UsageRecord, UsageRecorded
from shared.ids import new_request_id
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy

SENT_AT = datetime(2026, 11, 1, tzinfo=UTC)


class Broker(Publisher):
    """Decides what is confirmed, and tells what was sent: per sending the numbers, and how many records each has."""

    def __init__(self) -> None:
        self.sendings: list[dict[int, int]] = []
        self.refused: set[int] = set()
        self.answers = asyncio.Event()
        self.answers.set()

    async def publish(self, envelopes: Sequence[Envelope]) -> list[UUID]:
        events = {envelope.id: unwrap(envelope) for envelope in envelopes}
        numbers = {
            id_: (event.sequence, len(event.records))
            for id_, event in events.items()
            if isinstance(event, UsageRecorded)
        }
        self.sendings.append(dict(numbers.values()))
        await self.answers.wait()
        return [id_ for id_, (number, _) in numbers.items() if number not in self.refused]


def record() -> UsageRecord:
    return UsageRecord(
        request_id=UUID(new_request_id()), account_id="aaaaaaaa", key_id="key", endpoint="chat", model="",
        tokens_prompt=5, tokens_completion=2, outcome=Outcome.COMPLETED, estimated=False, revision=2,
        admitted_at=SENT_AT, ended_at=SENT_AT,
    )  # fmt: skip


async def settle_one(redis: Redis) -> UsageRecord:
    """A request of a gateway that died right after its settlement."""
    account = await open_account(redis, tokens=100)
    desk, key = AdmissionDesk(redis), account.key_record
    request = HoldRequest(
        new_request_id(), key.digest, key.account_id, "chat", "", CallKind.STREAM, 10, PromptCount.BOUND, 10
    )
    hold = await desk.admit(request, ip_subject="192.0.2.1", ip_limit=10)
    assert isinstance(hold, Admitted)
    record = UsageRecord(
        request_id=UUID(request.request_id), account_id=key.account_id, key_id=key.key_id, endpoint="chat",
        model="", tokens_prompt=5, tokens_completion=2, outcome=Outcome.COMPLETED, estimated=False,
        revision=2, admitted_at=hold.admitted_at, ended_at=hold.admitted_at,
    )  # fmt: skip
    await desk.settle(key.account_id, record, tokens_held=hold.tokens_held)
    return record


async def test_what_a_dead_gateway_read_and_never_acknowledged_is_published_by_another(
    other_redis: Redis, amqp_url: str, usage: UsageListener
) -> None:
    record = await settle_one(other_redis)
    stream = SettlementStream(other_redis)
    assert [entry.record for entry in await stream.read_batch("dead")] == [record]
    connection = await connect(amqp_url, "test")
    relay = UsageRelay(stream, UsageBus(Publisher(connection), utc_now), forgotten_after_ms=0)
    await relay.publish_next()
    await connection.close()
    assert await usage.record_of(str(record.request_id)) == record
    assert await stream.unconfirmed_count() == 0


async def test_batches_are_numbered_without_gaps(
    gateway: httpx.AsyncClient, account: Account, usage: UsageListener
) -> None:
    for _ in range(3):
        reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
        await usage.record_of(reply.headers["x-request-id"])
    by_gateway: dict[str, set[int]] = {}
    for event in usage.events:
        by_gateway.setdefault(event.gateway, set()).add(event.sequence)
    assert all(numbers == set(range(min(numbers), max(numbers) + 1)) for numbers in by_gateway.values())


async def test_a_settlement_that_no_broker_has_confirmed_stays_in_redis(other_redis: Redis) -> None:
    """Whoever reads it may die any moment: acknowledged before its confirm it would be charged nowhere."""
    await settle_one(other_redis)
    stream, nowhere = SettlementStream(other_redis), Connection("amqp://127.0.0.1:1/", "test")
    relay = UsageRelay(stream, UsageBus(Publisher(nowhere), utc_now))
    with capture_logs() as told:
        publishing = asyncio.create_task(relay.publish_next())

        async def has_been_tried() -> bool:
            return any(line["event"] == "events_not_published" for line in told)

        await eventually(has_been_tried)
    assert await stream.unconfirmed_count() == 1
    publishing.cancel()
    await asyncio.wait({publishing})
    await nowhere.close()
    assert await stream.unconfirmed_count() == 1


async def test_a_gateway_that_dies_between_two_attempts_has_claimed_no_batch_above_one_it_never_sent(
    amqp_url: str, usage: UsageListener
) -> None:
    """Metering waits for all up to the claim: for what nobody can send any more it would wait a day."""
    async with TcpProxy(amqp_url) as line:
        connection = Connection(line.url, "test")
        bus = UsageBus(Publisher(connection), utc_now)
        await line.cut()
        with capture_logs() as told:
            first = asyncio.create_task(bus.publish([record()]))

            async def has_been_tried() -> bool:
                return any(entry["event"] == "events_not_published" for entry in told)

            await eventually(has_been_tried)
        await line.mend()
        await bus.publish_one(record())
        first.cancel()
        await asyncio.wait({first})
        await connection.close()
    assert bus.sequence_confirmed > 0

    async def has_all_that_is_claimed() -> bool:
        return usage.has_all({bus.gateway: bus.sequence_confirmed})

    await eventually(has_all_that_is_claimed)


async def test_a_record_goes_out_beside_a_batch_that_is_not_confirmed_and_is_claimed_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publish_usage, "RETRY_SECONDS", 0.0)
    broker = Broker()
    bus = UsageBus(broker, utc_now)
    broker.refused = {1}
    first = asyncio.create_task(bus.publish([record(), record()]))
    second = asyncio.create_task(bus.publish_one(record()))

    async def is_tried_again_without_the_second() -> bool:
        return broker.sendings[-2:] == [{1: 2}, {1: 2}] and {1: 2, 2: 1} in broker.sendings

    await eventually(is_tried_again_without_the_second)
    assert bus.sequence_confirmed == 0
    assert not second.done()
    broker.refused = set()
    await asyncio.gather(first, second)
    assert bus.sequence_confirmed == 2


async def test_what_is_handed_in_while_a_batch_is_under_way_is_the_next_batch() -> None:
    broker = Broker()
    bus = UsageBus(broker, utc_now)
    broker.answers.clear()
    first = asyncio.create_task(bus.publish_one(record()))
    await asyncio.sleep(0)
    others = [asyncio.create_task(bus.publish_one(record())) for _ in range(3)]
    await asyncio.sleep(0)
    broker.answers.set()
    await asyncio.gather(first, *others)
    assert broker.sendings == [{1: 1}, {2: 3}]
    assert bus.sequence_confirmed == 2


async def test_a_batch_whose_publisher_was_cancelled_goes_out_with_the_next() -> None:
    broker = Broker()
    bus = UsageBus(broker, utc_now)
    broker.answers.clear()
    first = asyncio.create_task(bus.publish_one(record()))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    broker.answers.set()
    await bus.publish_one(record())
    assert broker.sendings == [{1: 1}, {1: 1, 2: 1}]
    assert bus.sequence_confirmed == 2
