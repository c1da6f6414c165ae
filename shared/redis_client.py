"""The connections to Redis for money: they never re-send anything by themselves. One line for the scripts of all
callers, a pool for everything else.

A lost reply may hide a script that ran; whoever called repeats with the same request id if it must
(every script is idempotent), and nobody else does.
"""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from shared.redis_line import PACKED, RedisLine

TIMEOUT_SECONDS = 1.0
CONNECTIONS_MAX = 64
"""Callers beyond it wait for a connection, as long as for an answer; then redis' ConnectionError."""


class _Connection(Connection):
    """Writes without `asyncio.wait_for`, which on Python 3.11 swallows a cancellation that comes when the
    bytes are already out (python/cpython#86296): a loop over Redis would then never stop."""

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: ARG002  # there are no health checks: the interval is 0
    ) -> None:
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if isinstance(command, str):
            command = command.encode()
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command([command] if isinstance(command, bytes) else command)
        except BaseException as error:
            await self.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise RedisTimeoutError("Timeout writing to Redis") from error
            if isinstance(error, OSError):
                raise RedisConnectionError("The connection to Redis broke while writing.") from error
            raise


class RedisWithLine(Redis):
    """`line` is where scripts run (shared/admission/lua.py); closed with the client."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        place = self.connection_pool.connection_kwargs
        self.line = RedisLine(place, _tls_of(self.connection_pool.connection_class, place), TIMEOUT_SECONDS)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        self.line.close()
        await super().aclose(close_connection_pool)


def open_redis(url: str) -> RedisWithLine:
    """A lazy client; values are bytes. `url` is redis://host:port/0, or rediss:// for TLS."""
    pool = BlockingConnectionPool.from_url(
        url,
        connection_class=_Connection,
        max_connections=CONNECTIONS_MAX,
        timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=0,
        driver_info=None,  # one round trip less of each connection: after an outage many are made at once
        # With them on, redis-py 8 no longer looks whether an idle connection was closed by a restart.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    client = RedisWithLine(connection_pool=pool)
    client.auto_close_connection_pool = True
    return client


async def ask_all(redis: Redis, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Several commands in one round trip on the line: answers as Redis gives them. Raises the first that it refuses."""
    answers = await ask_each(redis, commands)
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


async def ask_each(redis: Redis, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The same, but what Redis refuses is that command's answer."""
    assert isinstance(redis, RedisWithLine)  # open_redis made it
    return await redis.line.ask(b"".join(map(PACKED, commands)), len(commands))


def _tls_of(connection_class: type, place: dict[str, Any]) -> ssl.SSLContext | None:
    if not issubclass(connection_class, SSLConnection):
        return None
    return ssl.create_default_context(cafile=place.get("ssl_ca_certs"))


async def answers(redis: Redis) -> None:
    """The readiness probe: raises when Redis does not answer."""
    await redis.ping()
