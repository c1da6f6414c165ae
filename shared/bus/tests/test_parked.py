"""What is parked can be seen, without what it says, and put back."""

from collections.abc import AsyncIterator

import pytest

from shared.bus.__main__ import main
from shared.bus.connection import Connection, connect
from shared.bus.parked import Parked, list_parked, replay
from shared.bus.publisher import Publisher
from shared.contracts.envelope import Envelope
from shared.errors import Poison
from tests.support.bus import Corner, consuming, event
from tests.support.eventually import eventually


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
    assert place.messages == [Parked(str(fact.id), fact.type, "poison: older than the retention")]
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


def test_the_commands_print_the_queues_of_every_service(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMQP_URL", amqp_url)
    assert main(["parked"]) == 0
    assert main(["replay", "billing"]) == 0
    printed = capsys.readouterr().out
    for line in ("metering.parked: 0", "notifier.parked: 0", "billing.work: 0 put back"):
        assert line in printed


def test_a_command_without_a_broker_says_so_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMQP_URL", "amqp://nobody:nothing@127.0.0.1:1/")
    assert main(["parked"]) == 1
    assert capsys.readouterr().err.startswith("RabbitMQ does not answer")


def test_a_wrong_command_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "nobody"]) == 2
    assert capsys.readouterr().err.startswith("usage: python -m shared.bus")
