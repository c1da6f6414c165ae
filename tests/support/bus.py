"""A corner of the real broker for one test: its own exchange and queues, with a ladder of milliseconds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

from aio_pika import Message
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import ChannelNotFoundEntity

from shared.bus.connection import Connection, close_channel, connect
from shared.bus.consumer import Consumer, Handle
from shared.bus.publisher import Publisher
from shared.bus.topology import Topology, declare_all
from shared.contracts.accounts import AccountDeleted
from shared.contracts.envelope import Envelope, wrap

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SERVICE_PREFIX = "reader"


def private_topology() -> Topology:
    """One service, named uniquely, that consumes AccountDeleted."""
    unique = uuid4().hex[:8]
    return Topology(
        exchange=f"test.{unique}.events",
        bindings={f"{SERVICE_PREFIX}-{unique}": (AccountDeleted.TYPE,)},
        retry_delays_seconds=(0.02, 0.05, 0.1),
    )


def event(account_id: str = "Ab3dE5gH", *, request_id: str | None = None) -> Envelope:
    """A new fact for that service."""
    return wrap(
        AccountDeleted(account_id=account_id),
        source="accounts",
        subject=account_id,
        now=NOW,
        request_id=request_id,
    )


class Corner:
    """The queues of a private topology, looked at and filled past our own code."""

    def __init__(self, connection: Connection, topology: Topology) -> None:
        self.topology = topology
        (self.service,) = topology.bindings
        self.work = topology.work_queue(self.service)
        self.parked = topology.parked_queue(self.service)
        self._connection = connection

    async def count(self, queue: str) -> int:
        """Messages that wait in the queue; those in a consumer's hand are not among them."""
        channel = await self._connection.open_channel()
        try:
            declared = await channel.declare_queue(queue, passive=True)
            return declared.declaration_result.message_count or 0
        finally:
            await close_channel(channel)

    async def has(self, queue: str, count: int) -> bool:
        return await self.count(queue) == count

    async def exists(self, queue: str) -> bool:
        try:
            await self.count(queue)
        except ChannelNotFoundEntity:
            return False
        return True

    async def take(self, queue: str) -> AbstractIncomingMessage | None:
        """The next message, gone from the queue."""
        channel = await self._connection.open_channel()
        try:
            return await (await channel.get_queue(queue, ensure=False)).get(no_ack=True, fail=False)
        finally:
            await close_channel(channel)

    async def put(self, body: bytes) -> None:
        """Any bytes, straight into the work queue."""
        channel = await self._connection.open_channel()
        try:
            await channel.default_exchange.publish(Message(body), self.work)
        finally:
            await close_channel(channel)

    async def delete_queue(self, queue: str) -> None:
        channel = await self._connection.open_channel()
        try:
            await channel.queue_delete(queue)
        finally:
            await close_channel(channel)

    async def hand_binding_to_another_queue(self) -> str:
        """Events reach that one instead of the work queue; it lives as long as the connection."""
        channel = await self._connection.open_channel()
        other = await channel.declare_queue(exclusive=True)
        for routing_key in self.topology.bindings[self.service]:
            await other.bind(self.topology.exchange, routing_key)
            await (await channel.get_queue(self.work, ensure=False)).unbind(
                self.topology.exchange, routing_key
            )
        return str(other.name)

    async def declare(self) -> None:
        channel = await self._connection.open_channel()
        try:
            await declare_all(channel, self.topology)
        finally:
            await close_channel(channel)

    async def remove(self) -> None:
        for spec in self.topology.queues(self.service):
            await self.delete_queue(spec.name)
        channel = await self._connection.open_channel()
        await channel.exchange_delete(self.topology.exchange)
        await close_channel(channel)


@asynccontextmanager
async def open_corner(amqp_url: str) -> AsyncIterator[Corner]:
    connection = await connect(amqp_url, "test-corner")
    corner = Corner(connection, private_topology())
    await corner.declare()
    try:
        yield corner
    finally:
        await corner.remove()
        await connection.close()


@asynccontextmanager
async def open_publisher(amqp_url: str, topology: Topology) -> AsyncIterator[Publisher]:
    connection = await connect(amqp_url, "test-publisher")
    try:
        yield Publisher(connection, topology=topology)
    finally:
        await connection.close()


@asynccontextmanager
async def consuming(
    amqp_url: str, publisher: Publisher, corner: Corner, handle: Handle, *, prefetch: int = 20
) -> AsyncIterator["asyncio.Task[None]"]:
    """A consumer of the corner's work queue that runs until the block ends."""
    connection = await connect(amqp_url, "test-consumer")
    consumer = Consumer(connection, publisher, corner.service, handle, prefetch=prefetch)
    task = asyncio.create_task(consumer.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        await connection.close()


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
