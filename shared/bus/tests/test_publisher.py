"""An id comes back only when the broker has the message; nothing the broker does holds the caller up."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from shared.bus import publisher as publisher_module
from shared.bus.connection import BrokerUnavailable, connect
from shared.bus.publisher import IN_FLIGHT_MAX, NotConfirmed, Publisher
from shared.contracts.envelope import Envelope
from tests.support.bus import Corner, event, open_publisher
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy

UNKNOWN_TYPE = "nobody.listens.v1"


@pytest.fixture
async def distant(line: TcpProxy, corner: Corner) -> AsyncIterator[Publisher]:
    """A publisher whose line to the broker the test may cut."""
    async with open_publisher(line.url, corner.topology) as publisher:
        yield publisher


def unroutable() -> Envelope:
    return event().model_copy(update={"type": UNKNOWN_TYPE})


async def test_a_confirmed_event_waits_in_the_queue_of_its_consumer(
    publisher: Publisher, corner: Corner
) -> None:
    fact = event()
    assert await publisher.publish([fact]) == [fact.id]
    message = await corner.take(corner.work)
    assert message is not None
    assert Envelope.from_json(message.body) == fact


async def test_a_message_is_persistent_named_by_its_event_and_carries_no_headers(
    publisher: Publisher, corner: Corner
) -> None:
    fact = event()
    await publisher.publish([fact])
    message = await corner.take(corner.work)
    assert message is not None
    assert message.delivery_mode == 2
    assert message.content_type == "application/cloudevents+json"
    assert (message.message_id, message.type) == (str(fact.id), fact.type)
    assert set(message.headers) <= {"x-delivery-count"}  # the broker's own


async def test_more_than_one_flight_is_published_in_order(publisher: Publisher, corner: Corner) -> None:
    facts = [event() for _ in range(IN_FLIGHT_MAX + 1)]
    assert await publisher.publish(facts) == [fact.id for fact in facts]
    await eventually(lambda: corner.has(corner.work, len(facts)))


async def test_the_same_event_twice_in_a_batch_is_sent_once(publisher: Publisher, corner: Corner) -> None:
    fact = event()
    assert await publisher.publish([fact, fact]) == [fact.id]
    await eventually(lambda: corner.has(corner.work, 1))


async def test_the_same_event_published_by_two_tasks_is_confirmed_to_both(publisher: Publisher) -> None:
    fact = event()
    first, second = await asyncio.gather(publisher.publish([fact]), publisher.publish([fact]))
    assert first == second == [fact.id]


async def test_an_unroutable_event_is_not_reported_as_published(publisher: Publisher) -> None:
    assert await publisher.publish([unroutable()]) == []


async def test_an_unroutable_event_does_not_hold_back_the_others(publisher: Publisher) -> None:
    first, last = event(), event()
    assert await publisher.publish([first, unroutable(), last]) == [first.id, last.id]


async def test_a_queue_that_was_deleted_is_back_for_the_next_attempt(
    publisher: Publisher, corner: Corner
) -> None:
    await publisher.publish([event()])
    await corner.delete_queue(corner.work)
    fact = event()
    assert await publisher.publish([fact]) == []
    assert await publisher.publish([fact]) == [fact.id]


async def test_an_exchange_that_was_deleted_is_back_for_the_next_attempt(
    publisher: Publisher, corner: Corner
) -> None:
    await publisher.publish([event()])
    await corner.remove()
    fact = event()
    assert await publisher.publish([fact]) == []
    assert await publisher.publish([fact]) == [fact.id]


async def test_a_lost_confirm_is_not_reported_as_published_and_does_not_hang(
    distant: Publisher, line: TcpProxy, corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "CONFIRM_TIMEOUT_SECONDS", 0.2)
    await distant.publish([event()])
    line.lose_answers()
    assert await distant.publish([event()]) == []
    await eventually(lambda: corner.has(corner.work, 2))


@pytest.mark.timing
async def test_a_dead_broker_is_noticed_at_once(distant: Publisher, line: TcpProxy) -> None:
    await distant.publish([event()])
    await line.cut()
    started_seconds = time.monotonic()
    assert await distant.publish([event()]) == []
    assert time.monotonic() - started_seconds < 1


async def test_a_connection_that_breaks_before_the_confirm_leaves_it_unconfirmed(
    distant: Publisher, line: TcpProxy, corner: Corner
) -> None:
    await distant.publish([event()])
    line.lose_answers()
    publication = asyncio.create_task(distant.publish([event()]))
    await eventually(lambda: corner.has(corner.work, 2))
    await line.cut()
    assert await publication == []


async def test_publishing_works_again_when_the_broker_is_back(distant: Publisher, line: TcpProxy) -> None:
    await line.cut()
    assert await distant.publish([event()]) == []
    await line.mend()
    fact = event()
    assert await distant.publish([fact]) == [fact.id]


async def test_a_service_starts_while_the_broker_is_down(line: TcpProxy, corner: Corner) -> None:
    await line.cut()
    async with open_publisher(line.url, corner.topology) as publisher:
        assert await publisher.publish([event()]) == []
        await line.mend()
        fact = event()
        assert await publisher.publish([fact]) == [fact.id]


async def test_a_copy_into_a_missing_queue_raises(publisher: Publisher, corner: Corner) -> None:
    await publisher.publish([event()])
    message = await corner.take(corner.work)
    assert message is not None
    with pytest.raises(NotConfirmed):
        await publisher.copy(message, queue="nobody.made.this", headers={})


async def test_a_channel_of_a_dead_broker_is_refused_with_the_reason(line: TcpProxy) -> None:
    connection = await connect(line.url, "test-connection")
    await line.cut()
    with pytest.raises(BrokerUnavailable, match="RabbitMQ does not answer"):
        await connection.open_channel()
    await connection.close()


async def test_a_binding_that_was_removed_from_one_of_two_queues_is_back_after_a_while(
    publisher: Publisher, corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event still reaches the other queue, and is confirmed: nothing else would tell."""
    await publisher.publish([event()])
    other = await corner.hand_binding_to_another_queue()
    assert len(await publisher.publish([event()])) == 1
    assert (await corner.count(corner.work), await corner.count(other)) == (1, 1)
    monkeypatch.setattr(publisher_module, "DECLARED_AGAIN_AFTER_SECONDS", 0.0)
    await publisher.publish([event()])
    assert (await corner.count(corner.work), await corner.count(other)) == (2, 2)
