"""Handled, then acknowledged; retried, parked or returned; restored after whatever the broker does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog
from structlog.testing import capture_logs

from shared.bus import subscription
from shared.bus.publisher import Publisher
from shared.contracts.envelope import Envelope
from shared.errors import NotYet, Poison
from tests.support.bus import Corner, consuming, event
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy

SECRET = "swordfish"


class Handler:
    """Records what it was given, after doing what the test asks for."""

    def __init__(self, behave: Callable[[Envelope], Awaitable[None]] | None = None) -> None:
        self.calls: list[Envelope] = []
        self._behave = behave

    async def __call__(self, envelope: Envelope) -> None:
        self.calls.append(envelope)
        if self._behave is not None:
            await self._behave(envelope)

    async def was_called(self, times: int = 1) -> bool:
        return len(self.calls) >= times


def failing_first(times: int, error: Exception) -> Handler:
    """Raises for the first calls, succeeds afterwards."""

    async def behave(_: Envelope) -> None:
        if len(handler.calls) <= times:
            raise error

    handler = Handler(behave)
    return handler


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


async def test_a_dependency_that_is_down_costs_a_message_no_attempt(
    amqp_url: str, publisher: Publisher, corner: Corner
) -> None:
    handler = failing_first(2, ConnectionRefusedError("postgres"))
    with capture_logs() as logs:
        async with consuming(amqp_url, publisher, corner, handler):
            await publisher.publish([event()])
            await eventually(lambda: handler.was_called(3))
    attempts = [line["attempts"] for line in logs if line["event"] == "message_processed"]
    assert attempts == [1, 1, 1]
    assert await corner.count(corner.parked) == 0


async def test_a_dependency_that_stays_down_is_asked_ever_less_often(
    amqp_url: str, publisher: Publisher, corner: Corner
) -> None:
    """Pauses of 0.25, 0.5 and 1 s: in the 0.7 s between the second and the third call, nothing spins."""
    handler = failing_first(99, ConnectionRefusedError("postgres"))
    loop = asyncio.get_running_loop()
    async with consuming(amqp_url, publisher, corner, handler):
        await publisher.publish([event()])
        await eventually(handler.was_called)
        first_call_seconds = loop.time()
        await eventually(lambda: handler.was_called(3))
        assert loop.time() - first_call_seconds >= 0.7
    await eventually(lambda: corner.has(corner.work, 1))


async def test_a_consumer_comes_back_after_the_broker_was_away(
    amqp_url: str, publisher: Publisher, corner: Corner, line: TcpProxy
) -> None:
    handler = Handler()
    async with consuming(line.url, publisher, corner, handler):
        await publisher.publish([event()])
        await eventually(handler.was_called)
        await line.cut()
        await publisher.publish([event()])
        await line.mend()
        await eventually(lambda: handler.was_called(2))
    assert await corner.count(corner.work) == 0


async def test_a_consumer_starts_before_the_broker(
    amqp_url: str, publisher: Publisher, corner: Corner, line: TcpProxy
) -> None:
    handler = Handler()
    await line.cut()
    async with consuming(line.url, publisher, corner, handler):
        await publisher.publish([event()])
        await line.mend()
        await eventually(handler.was_called)


async def test_a_consumer_whose_queue_was_deleted_declares_it_and_goes_on(
    amqp_url: str, publisher: Publisher, corner: Corner
) -> None:
    handler = Handler()
    async with consuming(amqp_url, publisher, corner, handler):
        await publisher.publish([event()])
        await eventually(handler.was_called)
        await corner.delete_queue(corner.work)
        await eventually(lambda: corner.exists(corner.work))
        await publisher.publish([event()])
        await eventually(lambda: handler.was_called(2))


async def test_a_consumer_that_the_broker_forgot_is_replaced(
    amqp_url: str, publisher: Publisher, corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publishing declares the deleted queue again before the broker has told its consumer."""
    monkeypatch.setattr(subscription, "IDLE_MAX_SECONDS", 0.5)
    handler = Handler()
    async with consuming(amqp_url, publisher, corner, handler):
        await publisher.publish([event()])
        await eventually(handler.was_called)
        await corner.delete_queue(corner.work)
        await eventually(lambda: is_published(publisher, event()))
        await eventually(lambda: handler.was_called(2))


async def test_a_stopped_consumer_finishes_what_it_has_in_hand(
    amqp_url: str, publisher: Publisher, corner: Corner
) -> None:
    may_end = asyncio.Event()

    async def wait(_: Envelope) -> None:
        await may_end.wait()

    handler = Handler(wait)
    async with consuming(amqp_url, publisher, corner, handler) as consumer:
        await publisher.publish([event()])
        await eventually(handler.was_called)
        consumer.cancel()
        may_end.set()
    assert await corner.count(corner.work) == 0


async def test_a_message_that_cannot_be_finished_in_time_is_returned(
    amqp_url: str, publisher: Publisher, corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait(_: Envelope) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(subscription, "FINISH_TIMEOUT_SECONDS", 0.05)
    handler = Handler(wait)
    async with consuming(amqp_url, publisher, corner, handler):
        await publisher.publish([event()])
        await eventually(handler.was_called)
    await eventually(lambda: corner.has(corner.work, 1))


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


async def is_published(publisher: Publisher, fact: Envelope) -> bool:
    return await publisher.publish([fact]) == [fact.id]
