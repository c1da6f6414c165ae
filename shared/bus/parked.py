"""The parking places: what is in them, and putting it back.

Looking takes the messages without acknowledging and closes the channel, which returns them in their order;
nothing is changed. Shown are ids, types, accounts, reasons and instants, each only if it looks like one: never what
a message says, whatever somebody wrote into its envelope.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.bus.connection import Connection, close_channel, settled
from shared.bus.consumer import ATTEMPTS_HEADER, FIRST_FAILED_HEADER, REASON_HEADER
from shared.bus.failures import REASON_LENGTH_MAX
from shared.bus.publisher import Publisher
from shared.bus.topology import Topology, declare

LISTED_MAX = 200
"""Per queue; the count is exact, the list shows the oldest."""
SEARCHED_MAX = 10_000
"""Messages that are looked at for one event."""
EVENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
EVENT_TYPE = re.compile(r"[a-z]+\.[a-z_]+\.v[0-9]+")
ACCOUNT = re.compile(r"[0-9A-Za-z]{8}")
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Parked:
    """`first_failed_at` is when it was first tried in vain; None where the broker itself parked it."""

    event_id: str
    event_type: str
    subject: str
    reason: str
    attempts: int
    first_failed_at: datetime | None


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


async def replay(
    connection: Connection, publisher: Publisher, service: str, *, event_id: str | None = None
) -> int:
    """Put what is parked now back on the work queue, as if never tried; or only this event. Returns how many.

    Each leaves the parking place after its copy is confirmed: interrupted, a message may come twice, never
    not at all. One that is parked again meanwhile stays parked. Raises NotConfirmed or BrokerUnavailable.
    """
    channel = await connection.open_channel()
    try:
        return await _put_back(channel, publisher, service, event_id)
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


async def _put_back(
    channel: AbstractChannel, publisher: Publisher, service: str, event_id: str | None
) -> int:
    """What is not wanted stays taken until the channel closes, which returns it to its place."""
    topology, done_count = publisher.topology, 0
    parked_count = await settled(_count(channel, service, topology))
    queue = await channel.get_queue(topology.parked_queue(service), ensure=False)
    for _ in range(parked_count if event_id is None else min(parked_count, SEARCHED_MAX)):
        message = await settled(queue.get(fail=False))
        if message is None:
            break
        if event_id is not None and message.message_id != event_id:
            continue
        await publisher.copy(message, queue=topology.work_queue(service), headers={})
        await settled(message.ack())
        done_count += 1
    return done_count


async def _count(channel: AbstractChannel, service: str, topology: Topology) -> int:
    await declare(channel, service, topology)
    queue = await channel.declare_queue(topology.parked_queue(service), passive=True)
    return queue.declaration_result.message_count or 0


def _parked(message: AbstractIncomingMessage) -> Parked:
    """The broker itself parks what crashed its consumer too often, and says so in its own header."""
    headers: Mapping[str, Any] = message.headers
    attempts = headers.get(ATTEMPTS_HEADER)
    return Parked(
        _shown(EVENT_ID, message.message_id),
        _shown(EVENT_TYPE, message.type),
        _shown(ACCOUNT, _envelope_of(message).get("subject")),
        _printable(headers.get(REASON_HEADER) or headers.get("x-first-death-reason") or "unknown"),
        attempts if isinstance(attempts, int) else 0,
        _instant(headers.get(FIRST_FAILED_HEADER)),
    )


def _envelope_of(message: AbstractIncomingMessage) -> Mapping[str, Any]:
    try:
        envelope = json.loads(message.body)
    except ValueError:
        return {}
    return envelope if isinstance(envelope, dict) else {}


def _shown(pattern: re.Pattern[str], value: object) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else NOTHING


def _printable(reason: object) -> str:
    return "".join(each for each in str(reason)[:REASON_LENGTH_MAX] if each.isprintable())


def _instant(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
