"""The connection to Redis for money: it never re-sends anything by itself.

A lost reply may hide a script that ran; whoever called repeats with the same request id if it must
(every script is idempotent), and nobody else does.
"""

import asyncio
from collections.abc import Iterable

from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

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


def open_redis(url: str) -> Redis:
    """A lazy client; values are bytes. `url` is redis://host:port/0."""
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
    return Redis.from_pool(pool)


async def answers(redis: Redis) -> None:
    """The readiness probe: raises when Redis does not answer."""
    await redis.ping()
