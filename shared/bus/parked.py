"""The parking places: what is in them, and putting it back.

Looking takes the messages without acknowledging and closes the channel, which returns them in their order;
nothing is changed. Only ids, types and reasons are shown, never what a message says.
"""

from dataclasses import dataclass

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.bus.connection import Connection, close_channel, settled
from shared.bus.publisher import Publisher
from shared.bus.topology import Topology, declare

LISTED_MAX = 200
"""Per queue; the count is exact, the list shows the oldest."""
REASON_HEADER = "x-reason"


@dataclass(frozen=True, slots=True)
class Parked:
    event_id: str
    event_type: str
    reason: str


@dataclass(frozen=True, slots=True)
class ParkingPlace:
    queue: str
    count: int
    messages: list[Parked]


async def list_parked(connection: Connection, service: str, topology: Topology) -> ParkingPlace:
    channel = await connection.open_channel()
    try:
        return await settled(_look(channel, service, topology))
    finally:
        await close_channel(channel)


async def replay(connection: Connection, publisher: Publisher, service: str) -> int:
    """Put what is parked now back on the work queue, as if never tried. Returns how many.

    Each leaves the parking place after its copy is confirmed: interrupted, a message may come twice, never
    not at all. One that is parked again meanwhile stays parked. Raises NotConfirmed or BrokerUnavailable.
    """
    channel = await connection.open_channel()
    try:
        return await _put_back(channel, publisher, service)
    finally:
        await close_channel(channel)


async def _look(channel: AbstractChannel, service: str, topology: Topology) -> ParkingPlace:
    count = await _count(channel, service, topology)
    name = topology.parked_queue(service)
    queue = await channel.get_queue(name, ensure=False)
    messages: list[Parked] = []
    while len(messages) < LISTED_MAX and (message := await queue.get(fail=False)) is not None:
        messages.append(_parked(message))
    return ParkingPlace(name, count, messages)


async def _put_back(channel: AbstractChannel, publisher: Publisher, service: str) -> int:
    topology = publisher.topology
    parked_count = await settled(_count(channel, service, topology))
    queue = await channel.get_queue(topology.parked_queue(service), ensure=False)
    for done_count in range(parked_count):
        message = await settled(queue.get(fail=False))
        if message is None:
            return done_count
        await publisher.copy(message, queue=topology.work_queue(service), headers={})
        await settled(message.ack())
    return parked_count


async def _count(channel: AbstractChannel, service: str, topology: Topology) -> int:
    await declare(channel, service, topology)
    queue = await channel.declare_queue(topology.parked_queue(service), passive=True)
    return queue.declaration_result.message_count or 0


def _parked(message: AbstractIncomingMessage) -> Parked:
    """The broker itself parks what crashed its consumer too often, and says so in its own header."""
    reason = message.headers.get(REASON_HEADER) or message.headers.get("x-first-death-reason") or "unknown"
    return Parked(message.message_id or "-", message.type or "-", str(reason))
