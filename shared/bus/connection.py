"""A connection to RabbitMQ that is opened again when somebody needs it.

Nothing reconnects in the background. Whoever needs a channel gets a fresh one within CONNECT_TIMEOUT_SECONDS
or BrokerUnavailable; the loops above (relay, consumer) wait and come again. So there is one way to recover
from a lost socket, a closed channel, a cancelled consumer and an emptied broker: start anew.
Publishing and consuming use a connection each: an alarm on the broker blocks those that publish.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.connection import make_url
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from shared.errors import Unavailable

HEARTBEAT_SECONDS = 10
"""The library gives a silent peer up after three of them and a bit, 33 s."""
CONNECT_TIMEOUT_SECONDS = 5.0
CLOSE_TIMEOUT_SECONDS = 3.0

T = TypeVar("T")
log = structlog.get_logger()


class BrokerUnavailable(Unavailable):
    """RabbitMQ does not answer, or refuses us."""

    code = "broker_unavailable"


class ConnectionLost(ConnectionError):
    """The connection went away under an operation; whether it took effect is unknown."""


BROKER_ERRORS = (AMQPError, ChannelInvalidStateError, OSError)
"""What the library raises when the broker is the reason. TimeoutError and ConnectionLost are OSErrors."""


class Connection:
    """One named connection; `open_channel` makes it whole again when it is not."""

    def __init__(self, amqp_url: str, name: str) -> None:
        self._amqp_url = amqp_url
        self._name = name
        self._connection: AbstractConnection | None = None
        self._opening = asyncio.Lock()

    async def open_channel(self) -> AbstractChannel:
        """A new channel with confirms, on which an unroutable message raises. Raises BrokerUnavailable.

        The caller keeps the reference: the library forgets a channel that nobody holds.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS), self._opening:
                return await settled(self._open_channel())
        except BROKER_ERRORS as error:
            raise BrokerUnavailable(f"RabbitMQ does not answer ({type(error).__name__}).") from error

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await _close_in_time(connection)

    async def _open_channel(self) -> AbstractChannel:
        connection = self._connection
        if connection is None or not connection.connected.is_set():
            connection = await self._reconnect()
        try:
            channel = connection.channel(publisher_confirms=True, on_return_raises=True)
            await channel.initialize()
        except RuntimeError as error:  # the library's word for one that closed since it was looked at
            await self.close()
            raise ConnectionLost("the connection to RabbitMQ had closed") from error
        return channel

    async def _reconnect(self) -> AbstractConnection:
        """Kept before it is connected, so that a failed attempt is closed too and not left to the collector."""
        await self.close()
        self._connection = aio_pika.Connection(
            make_url(self._amqp_url, heartbeat=HEARTBEAT_SECONDS),
            client_properties={"connection_name": self._name},
        )
        await self._connection.connect(timeout=CONNECT_TIMEOUT_SECONDS)
        log.info("broker_connected", connection=self._name)
        return self._connection


async def connect(amqp_url: str, name: str) -> Connection:
    """A connection called `name` ("metering-consumer"). A broker that is down is logged, not raised: a
    service starts without it, says so in /ready, and each use tries again."""
    connection = Connection(amqp_url, name)
    try:
        await answers(connection)
    except BrokerUnavailable as error:
        log.warning("broker_unavailable", connection=name, reason=error.message)
    return connection


async def answers(connection: Connection) -> None:
    """The readiness probe: raises BrokerUnavailable when RabbitMQ does not answer in time."""
    await close_channel(await connection.open_channel())


async def close_channel(channel: AbstractChannel) -> None:
    """Close it, which returns what it left unacknowledged; a channel that is gone already is as good."""
    await _close_in_time(channel)


async def settled(operation: Awaitable[T]) -> T:
    """Await a broker operation. When a connection breaks, the library cancels what waits on it; here that
    becomes ConnectionLost, so that it is not taken for a cancellation of our own task. So does StopAsyncIteration, by which
    the library says that a peer hung up in the middle of its greeting."""
    (result,) = await asyncio.gather(operation, return_exceptions=True)
    if isinstance(result, (asyncio.CancelledError, StopAsyncIteration)):
        raise ConnectionLost("the connection to RabbitMQ broke") from result
    if isinstance(result, BaseException):
        raise result
    return result


async def _close_in_time(closable: AbstractChannel | AbstractConnection) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
            await settled(closable.close())
    except BROKER_ERRORS as error:
        log.debug("close_failed", reason=type(error).__name__)
