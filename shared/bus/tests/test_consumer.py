"""Handled, then acknowledged; what failed is retried or parked, and the log says so without its content."""

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from shared.bus.publisher import Publisher
from shared.contracts.envelope import Envelope
from shared.errors import NotYet, Poison
from tests.support.bus import Corner, Handler, consuming, event, failing_first
from tests.support.eventually import eventually

SECRET = "swordfish"


async def test_a_handled_message_is_gone(amqp_url: str, publisher: Publisher, corner: Corner) -> None:
    handler, fact = Handler(), event()
    async with consuming(amqp_url, publisher, corner, handler):
        await publisher.publish([fact])
        await eventually(handler.was_called)
    assert handler.calls == [fact]
    assert await corner.count(corner.work) == 0


async def test_the_request_id_crosses_the_bus_into_the_logs(
    amqp_url: str, publisher: Publisher, corner: Corner
) -> None:
    seen: list[object] = []

    async def handle(_: Envelope) -> None:
        seen.append(structlog.contextvars.get_contextvars().get("request_id"))

    structlog.contextvars.bind_contextvars(request_id="of-whoever-started-the-consumer")
    async with consuming(amqp_url, publisher, corner, handle):
        await publisher.publish([event(request_id="019a3f6e-7b1a-7c3d-8e2f-0123456789ab")])
        await publisher.publish([event()])
        await eventually(lambda: has_length(seen, 2))
    structlog.contextvars.clear_contextvars()
    assert seen == ["019a3f6e-7b1a-7c3d-8e2f-0123456789ab", None]


async def test_a_message_that_is_no_event_is_parked(
    amqp_url: str, publisher: Publisher, corner: Corner
) -> None:
    handler = Handler()
    with capture_logs() as logs:
        async with consuming(amqp_url, publisher, corner, handler):
            await corner.put(f"not json but a {SECRET}".encode())
            await eventually(lambda: corner.has(corner.parked, 1))
    parked = await corner.take(corner.parked)
    assert parked is not None
    assert str(parked.headers["x-reason"]).startswith("ValidationError")
    assert parked.body == f"not json but a {SECRET}".encode()
    assert handler.calls == []
    assert SECRET not in str(logs)


async def test_poison_is_parked_at_once_with_its_reason(
    amqp_url: str, publisher: Publisher, corner: Corner
) -> None:
    handler, fact = failing_first(1, Poison("older than the retention")), event()
    async with consuming(amqp_url, publisher, corner, handler):
        await publisher.publish([fact])
        await eventually(lambda: corner.has(corner.parked, 1))
    parked = await corner.take(corner.parked)
    assert parked is not None
    assert parked.headers["x-reason"] == "poison: older than the retention"
    assert (parked.message_id, parked.type) == (str(fact.id), fact.type)
    assert len(handler.calls) == 1


@pytest.mark.parametrize("error", [NotYet("no such account"), KeyError(SECRET)], ids=["not_yet", "defect"])
async def test_a_message_climbs_the_ladder_and_is_parked_after_the_last_rung(
    amqp_url: str, publisher: Publisher, corner: Corner, error: Exception
) -> None:
    handler = failing_first(99, error)
    with capture_logs() as logs:
        async with consuming(amqp_url, publisher, corner, handler):
            await publisher.publish([event()])
            await eventually(lambda: corner.has(corner.parked, 1))
    parked = await corner.take(corner.parked)
    assert parked is not None
    assert len(handler.calls) == 4
    assert parked.headers["x-attempts"] == 4
    assert "x-death" not in parked.headers
    assert SECRET not in str(logs) + str(parked.headers)


async def test_a_message_that_was_not_ready_is_handled_when_it_is(
    amqp_url: str, publisher: Publisher, corner: Corner
) -> None:
    handler = failing_first(2, NotYet("no such account"))
    async with consuming(amqp_url, publisher, corner, handler):
        await publisher.publish([event()])
        await eventually(lambda: handler.was_called(3))
    assert await corner.count(corner.work) == 0
    assert await corner.count(corner.parked) == 0


async def test_no_more_messages_are_in_hand_than_the_prefetch(
    amqp_url: str, publisher: Publisher, corner: Corner
) -> None:
    may_end = asyncio.Event()

    async def wait(_: Envelope) -> None:
        await may_end.wait()

    handler = Handler(wait)
    async with consuming(amqp_url, publisher, corner, handler, prefetch=2):
        await publisher.publish([event() for _ in range(5)])
        await eventually(lambda: corner.has(corner.work, 3))
        assert len(handler.calls) == 2
        may_end.set()
        await eventually(lambda: handler.was_called(5))


async def has_length(items: list[object], length: int) -> bool:
    return len(items) == length
