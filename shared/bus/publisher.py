"""Publishing that knows what arrived: confirms, mandatory routing, persistent messages, bounded waits.

An id is returned only when every queue bound to its type has written the message to disk. Everything else
(unroutable, refused, lost, too late) is logged and left out: whoever owns the fact sends it again, and the
inbox of the consumer absorbs what had arrived after all.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage, AbstractMessage
from aio_pika.exceptions import PublishError

from shared.bus import measure
from shared.bus.connection import BROKER_ERRORS, BrokerUnavailable, Connection, close_channel, settled
from shared.bus.topology import TOPOLOGY, Topology, declare_all
from shared.contracts.envelope import CONTENT_TYPE, Envelope
from shared.errors import Unavailable

CONFIRM_TIMEOUT_SECONDS = 5.0
IN_FLIGHT_MAX = 200
"""Unconfirmed messages at once. Confirms are pipelined, so this many cost little more than one."""
DECLARE_TIMEOUT_SECONDS = 30.0
"""Creating all quorum queues on an empty broker takes seconds; finding them there, milliseconds."""

DECLARED_AGAIN_AFTER_SECONDS = 30.0
"""An event that reaches one of its two queues is confirmed like any other: a binding that somebody removed shows
nowhere. So what should exist is made again now and then, as part of publishing."""

Headers = Mapping[str, str | int]

log = structlog.get_logger()


class NotConfirmed(Unavailable):
    """The broker did not say that it has the message; it may have it."""

    code = "not_confirmed"


@dataclass(frozen=True, slots=True)
class _Outlet:
    """An open channel with its two ways out: by event type, or straight into a queue."""

    channel: AbstractChannel
    events: AbstractExchange
    queues: AbstractExchange
    declared_at: float

    @property
    def is_good(self) -> bool:
        return not self.channel.is_closed and _now() < self.declared_at + DECLARED_AGAIN_AFTER_SECONDS


class Publisher:
    """Publishes on one channel of a connection, opened on first use and again after any failure.

    One batch at a time: the library matches a returned message to its publication by message id, so one id
    must not be in flight twice on a channel. Whatever the broker does, a call ends in about 20 s: 5 s each
    for its turn, the connection and the confirms, 3 s to let go of a channel that failed.
    """

    def __init__(self, connection: Connection, *, topology: Topology = TOPOLOGY) -> None:
        self.topology = topology
        self._connection = connection
        self._outlet: _Outlet | None = None
        self._turn = asyncio.Lock()

    async def publish(self, envelopes: Sequence[Envelope]) -> list[UUID]:
        """The ids that were confirmed, in the order given. Does not raise when the broker is the reason."""
        unique = list({envelope.id: envelope for envelope in envelopes}.values())
        if not unique:
            return []
        try:
            async with self._take_turn() as outlet:
                confirmed = await _publish_in_chunks(outlet.events, unique)
                _count(unique, confirmed)
                if len(confirmed) < len(unique):
                    await self._discard_outlet()
        except BrokerUnavailable as error:
            measure.UNPUBLISHED.labels("unavailable").inc(len(unique))
            log.warning("events_not_published", count=len(unique), reason=error.message)
            return []
        return confirmed

    async def copy(self, message: AbstractIncomingMessage, *, queue: str, headers: Headers) -> None:
        """A confirmed copy of a delivered message, straight into a queue, with these headers and none of its
        own (with `x-death` the broker would see a cycle). Raises NotConfirmed or BrokerUnavailable."""
        await self._put(copy_of(message, headers), queue)

    async def place(self, envelope: Envelope, *, queue: str, headers: Headers) -> None:
        """An event straight into a queue, confirmed. Raises NotConfirmed or BrokerUnavailable."""
        await self._put(message_of(envelope, headers), queue)

    async def _put(self, message: Message, queue: str) -> None:
        async with self._take_turn() as outlet:
            try:
                await settled(_publish(outlet.queues, message, queue))
            except BROKER_ERRORS as error:
                await self._discard_outlet()
                raise NotConfirmed(f"RabbitMQ did not take a message into {queue}.") from error

    @asynccontextmanager
    async def _take_turn(self) -> AsyncIterator[_Outlet]:
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_SECONDS):
                await self._turn.acquire()
        except TimeoutError as error:
            raise BrokerUnavailable("RabbitMQ confirms too slowly.") from error
        try:
            yield await self._open_outlet()
        finally:
            self._turn.release()

    async def _open_outlet(self) -> _Outlet:
        """Declares everything first, also what was deleted meanwhile, so that an event finds its queues."""
        if self._outlet is not None and self._outlet.is_good:
            return self._outlet
        await self._discard_outlet()
        channel = await self._connection.open_channel()
        try:
            async with asyncio.timeout(DECLARE_TIMEOUT_SECONDS):
                await settled(declare_all(channel, self.topology))
            events = await channel.get_exchange(self.topology.exchange, ensure=False)
        except BaseException as error:
            await close_channel(channel)
            if isinstance(error, BROKER_ERRORS):
                raise BrokerUnavailable(f"The queues cannot be declared ({type(error).__name__}).") from error
            raise
        self._outlet = _Outlet(channel, events, channel.default_exchange, _now())
        return self._outlet

    async def _discard_outlet(self) -> None:
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            await close_channel(outlet.channel)


def _now() -> float:
    return asyncio.get_running_loop().time()


def message_of(envelope: Envelope, headers: Headers | None = None) -> Message:
    """The event as a message: CloudEvents JSON, kept on disk, named by the event's id and type."""
    return _message(envelope.to_json(), str(envelope.id), envelope.type, headers or {})


def copy_of(message: AbstractMessage, headers: Headers) -> Message:
    return _message(message.body, message.message_id, message.type, headers)


def _message(body: bytes, message_id: str | None, message_type: str | None, headers: Headers) -> Message:
    return Message(
        body,
        headers=dict(headers),
        content_type=CONTENT_TYPE,
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=message_id,
        type=message_type,
    )


async def _publish_in_chunks(exchange: AbstractExchange, envelopes: Sequence[Envelope]) -> list[UUID]:
    """Stops at a chunk of which nothing arrived: the rest would only wait as long."""
    confirmed: list[UUID] = []
    for chunk in _chunks(envelopes):
        arrived = await _publish_at_once(exchange, chunk)
        confirmed += arrived
        if not arrived:
            break
    return confirmed


async def _publish_at_once(exchange: AbstractExchange, envelopes: Sequence[Envelope]) -> list[UUID]:
    outcomes = await asyncio.gather(
        *(_publish(exchange, message_of(envelope), envelope.type) for envelope in envelopes),
        return_exceptions=True,
    )
    results = list(zip(envelopes, outcomes, strict=True))
    _log_failures([(envelope, outcome) for envelope, outcome in results if outcome is not None])
    return [envelope.id for envelope, outcome in results if outcome is None]


async def _publish(exchange: AbstractExchange, message: Message, routing_key: str) -> None:
    """Returns once confirmed; raises PublishError when unroutable, DeliveryError when refused."""
    await exchange.publish(message, routing_key, mandatory=True, timeout=CONFIRM_TIMEOUT_SECONDS)


def _log_failures(failures: Sequence[tuple[Envelope, BaseException]]) -> None:
    """Each unroutable event, because that is a defect; of the others, which share a fate, the number."""
    lost = [error for _, error in failures if not isinstance(error, PublishError)]
    if lost:
        measure.UNPUBLISHED.labels("unconfirmed").inc(len(lost))
        log.warning("events_unconfirmed", count=len(lost), reason=type(lost[0]).__name__)
    for envelope, error in failures:
        if isinstance(error, PublishError):
            measure.UNPUBLISHED.labels("unroutable").inc()
            log.error("event_unroutable", event_id=str(envelope.id), event_type=envelope.type)


def _count(envelopes: Sequence[Envelope], confirmed: Sequence[UUID]) -> None:
    arrived = set(confirmed)
    for envelope in envelopes:
        if envelope.id in arrived:
            measure.PUBLISHED.labels(measure.type_of(envelope.type)).inc()


def _chunks(envelopes: Sequence[Envelope]) -> Iterator[Sequence[Envelope]]:
    for start in range(0, len(envelopes), IN_FLIGHT_MAX):
        yield envelopes[start : start + IN_FLIGHT_MAX]
