"""A consumer outlives its dependencies and its broker, and stops without dropping what it has in hand."""

import asyncio

import pytest
from structlog.testing import capture_logs

from shared.bus import subscription
from shared.bus.publisher import Publisher
from shared.contracts.envelope import Envelope
from tests.support.bus import Corner, Handler, consuming, event, failing_first
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy


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
        await eventually(lambda: is_published(publisher, event()))
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


async def is_published(publisher: Publisher, fact: Envelope) -> bool:
    return await publisher.publish([fact]) == [fact.id]
