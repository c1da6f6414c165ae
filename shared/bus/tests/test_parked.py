"""What is parked can be seen, without what it says, and put back."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from aio_pika import Message

from shared.bus.__main__ import main
from shared.bus.connection import Connection, connect
from shared.bus.parked import Parked, list_parked, replay
from shared.bus.parked_table import table
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.contracts.envelope import Envelope
from shared.errors import Poison
from tests.support.bus import Corner, consuming, event
from tests.support.eventually import eventually

PERSON = "ada@example.com"


@pytest.fixture
async def connection(amqp_url: str) -> AsyncIterator[Connection]:
    connection = await connect(amqp_url, "test-parked")
    yield connection
    await connection.close()


async def park(amqp_url: str, publisher: Publisher, corner: Corner, facts: list[Envelope]) -> None:
    async def refuse(_: Envelope) -> None:
        raise Poison("older than the retention")

    async with consuming(amqp_url, publisher, corner, refuse):
        await publisher.publish(facts)
        await eventually(lambda: corner.has(corner.parked, len(facts)))


async def test_what_is_parked_is_listed_and_stays(
    amqp_url: str, connection: Connection, publisher: Publisher, corner: Corner
) -> None:
    fact = event()
    await park(amqp_url, publisher, corner, [fact])
    place = await list_parked(connection, corner.service, corner.topology)
    assert (place.queue, place.count) == (corner.parked, 1)
    [parked] = place.messages
    assert parked.first_failed_at is not None
    assert utc_now() - parked.first_failed_at < timedelta(minutes=1)
    assert dataclasses.replace(parked, first_failed_at=None) == Parked(
        str(fact.id), fact.type, "Ab3dE5gH", "poison: older than the retention", 1, None
    )
    await eventually(lambda: corner.has(corner.parked, 1))


async def test_a_message_that_the_broker_parked_says_why(connection: Connection, corner: Corner) -> None:
    await corner.put(b"x")
    channel = await connection.open_channel()
    message = await (await channel.get_queue(corner.work)).get()
    assert message is not None
    await message.reject(requeue=False)
    await eventually(lambda: corner.has(corner.parked, 1))
    place = await list_parked(connection, corner.service, corner.topology)
    assert [each.reason for each in place.messages] == ["rejected"]


async def test_what_was_tried_again_and_again_says_since_when_and_how_often(
    amqp_url: str, connection: Connection, publisher: Publisher, corner: Corner
) -> None:
    async def fail(_: Envelope) -> None:
        raise LookupError("no such row")

    began = utc_now().replace(microsecond=0)
    async with consuming(amqp_url, publisher, corner, fail):
        await publisher.publish([event()])
        await eventually(lambda: corner.has(corner.parked, 1))
    [parked] = (await list_parked(connection, corner.service, corner.topology)).messages
    assert parked.attempts == 1 + len(corner.topology.retry_delays_seconds)
    assert parked.first_failed_at is not None
    assert began <= parked.first_failed_at <= utc_now()


async def test_nothing_personal_is_shown_whatever_stands_in_a_message(
    amqp_url: str, connection: Connection, publisher: Publisher, corner: Corner
) -> None:
    fact = event().model_copy(update={"subject": PERSON, "type": PERSON, "data": {"email": PERSON}})
    message = Message(fact.to_json(), message_id=PERSON, type=PERSON)
    channel = await connection.open_channel()
    await channel.default_exchange.publish(message, corner.parked)
    place = await list_parked(connection, corner.service, corner.topology)
    assert place.count == 1
    assert PERSON not in table([place], utc_now())


async def test_one_message_is_replayed_and_the_others_stay(
    amqp_url: str, connection: Connection, publisher: Publisher, corner: Corner
) -> None:
    facts = [event() for _ in range(3)]
    await park(amqp_url, publisher, corner, facts)
    assert await replay(connection, publisher, corner.service, event_id=str(facts[1].id)) == 1
    again = await corner.take(corner.work)
    assert again is not None
    assert again.body == facts[1].to_json()
    place = await list_parked(connection, corner.service, corner.topology)
    assert [each.event_id for each in place.messages] == [str(facts[0].id), str(facts[2].id)]


async def test_replayed_messages_are_handled_as_if_never_tried(
    amqp_url: str, connection: Connection, publisher: Publisher, corner: Corner
) -> None:
    facts = [event() for _ in range(3)]
    await park(amqp_url, publisher, corner, facts)
    assert await replay(connection, publisher, corner.service) == 3
    assert await corner.count(corner.parked) == 0
    bodies = set()
    for _ in facts:
        message = await corner.take(corner.work)
        assert message is not None
        assert "x-attempts" not in message.headers
        bodies.add(message.body)
    assert bodies == {fact.to_json() for fact in facts}


async def test_what_is_parked_again_during_a_replay_is_not_replayed_again(
    amqp_url: str, connection: Connection, publisher: Publisher, corner: Corner
) -> None:
    await park(amqp_url, publisher, corner, [event(), event()])

    async def refuse(_: Envelope) -> None:
        raise Poison("still wrong")

    async with consuming(amqp_url, publisher, corner, refuse):
        assert await replay(connection, publisher, corner.service) == 2
        await eventually(lambda: corner.has(corner.parked, 2))


def test_a_service_without_parked_messages_is_told_so(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMQP_URL", amqp_url)
    assert main(["parked"]) == 0
    assert main(["replay", "billing"]) == 0
    printed = capsys.readouterr().out
    assert "billing.work: 0 put back" in printed


def test_one_that_is_not_there_is_not_replayed_and_says_so(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMQP_URL", amqp_url)
    assert main(["replay", "billing", str(uuid4())]) == 1
    assert capsys.readouterr().out.endswith("billing.work: 0 put back\n")


def test_a_command_without_a_broker_says_so_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMQP_URL", "amqp://nobody:nothing@127.0.0.1:1/")
    assert main(["parked"]) == 1
    assert capsys.readouterr().err.startswith("RabbitMQ does not answer")


def test_a_wrong_command_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "nobody"]) == 2
    assert capsys.readouterr().err.startswith("usage: python -m shared.bus")
