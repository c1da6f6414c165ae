"""The topology as data, and that a real broker has it and keeps to it."""

import pytest
from aio_pika.exceptions import ChannelPreconditionFailed

from shared.bus.connection import close_channel, connect
from shared.bus.topology import TOPOLOGY, QueueSpec, declare_all
from shared.contracts.catalogue import EVENT_CLASSES
from tests.support.bus import Corner, event
from tests.support.eventually import eventually

ALL_QUEUES = [spec for service in TOPOLOGY.bindings for spec in TOPOLOGY.queues(service)]
DEAD_LETTERING_QUEUES = [spec for spec in ALL_QUEUES if "x-dead-letter-exchange" in spec.arguments]


def test_every_event_has_a_consumer_and_every_binding_an_event() -> None:
    bound = {routing_key for keys in TOPOLOGY.bindings.values() for routing_key in keys}
    assert bound == set(EVENT_CLASSES)


def test_a_service_has_a_work_queue_a_ladder_and_a_parking_place() -> None:
    assert [spec.name for spec in TOPOLOGY.queues("metering")] == [
        "metering.parked",
        "metering.retry.5s",
        "metering.retry.30s",
        "metering.retry.5m",
        "metering.work",
    ]


def test_each_rung_waits_as_long_as_its_name_says() -> None:
    ladder = [spec for spec in TOPOLOGY.queues("billing") if ".retry." in spec.name]
    assert [spec.arguments["x-message-ttl"] for spec in ladder] == [5_000, 30_000, 300_000]
    assert {spec.arguments["x-dead-letter-routing-key"] for spec in ladder} == {"billing.work"}


@pytest.mark.parametrize("spec", ALL_QUEUES, ids=lambda spec: spec.name)
def test_every_queue_is_a_quorum_queue_that_gives_up_late(spec: QueueSpec) -> None:
    assert spec.arguments["x-queue-type"] == "quorum"
    assert spec.arguments["x-delivery-limit"] == 1_000_000


@pytest.mark.parametrize("spec", DEAD_LETTERING_QUEUES, ids=lambda spec: spec.name)
def test_dead_lettering_is_at_least_once(spec: QueueSpec) -> None:
    assert spec.arguments["x-dead-letter-strategy"] == "at-least-once"
    assert spec.arguments["x-overflow"] == "reject-publish"


async def test_declaring_again_changes_nothing(amqp_url: str) -> None:
    connection = await connect(amqp_url, "test-topology")
    channel = await connection.open_channel()
    await declare_all(channel)
    await declare_all(channel)
    await close_channel(channel)
    await connection.close()


@pytest.mark.parametrize("spec", TOPOLOGY.queues("notifier"), ids=lambda spec: spec.name)
async def test_the_broker_has_each_queue_with_exactly_these_arguments(amqp_url: str, spec: QueueSpec) -> None:
    connection = await connect(amqp_url, "test-topology")
    await declare_all(await connection.open_channel())
    for name, value in spec.arguments.items():
        other = value + 1 if isinstance(value, int) else {"quorum": "classic"}.get(value, "other")
        channel = await connection.open_channel()
        with pytest.raises(ChannelPreconditionFailed):
            await channel.declare_queue(spec.name, durable=True, arguments={**spec.arguments, name: other})
    await connection.close()


async def test_what_is_rejected_is_parked_by_the_broker(amqp_url: str, corner: Corner) -> None:
    await corner.put(event().to_json())
    connection = await connect(amqp_url, "test-topology")
    channel = await connection.open_channel()
    message = await (await channel.get_queue(corner.work)).get()
    assert message is not None
    await message.reject(requeue=False)
    await eventually(lambda: corner.has(corner.parked, 1))
    await connection.close()


async def test_a_message_outlives_being_returned_often(amqp_url: str, corner: Corner) -> None:
    """RabbitMQ 4 drops a message after 20 returns where no limit is given."""
    await corner.put(b"x")
    connection = await connect(amqp_url, "test-topology")

    async def is_taken_and_returned() -> bool:
        channel = await connection.open_channel()
        message = await (await channel.get_queue(corner.work)).get(fail=False)
        await close_channel(channel)
        return message is not None

    for _ in range(25):
        await eventually(is_taken_and_returned)
    await connection.close()
    await eventually(lambda: corner.has(corner.work, 1))
