"""From the settlement streams to the bus: nothing counts as published before the broker has it, nothing is skipped."""

import asyncio
from uuid import UUID

import httpx
from redis.asyncio import Redis
from structlog.testing import capture_logs

from services.gateway.tests.support.accounts import Account, open_account
from services.gateway.tests.support.chat import CHAT, QUESTION
from services.gateway.tests.support.usage import UsageListener
from services.gateway.use_cases.publish_usage import UsageBus, UsageRelay
from shared.admission.decisions import Admitted, CallKind, HoldRequest, PromptCount
from shared.admission.desk import AdmissionDesk
from shared.admission.stream import SettlementStream
from shared.bus.connection import Connection, connect
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.contracts.gateway import Outcome, UsageRecord
from shared.ids import new_request_id
from tests.support.eventually import eventually


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
