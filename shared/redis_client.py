"""The connection to Redis for money: it never re-sends anything by itself.

A lost reply may hide a script that ran; whoever called repeats with the same request id if it must
(every script is idempotent), and nobody else does.
"""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

TIMEOUT_SECONDS = 1.0
CONNECTIONS_MAX = 64
"""Callers beyond it wait for a connection, as long as for an answer; then redis' ConnectionError."""


def open_redis(url: str) -> Redis:
    """A lazy client; values are bytes. `url` is redis://host:port/0."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS_MAX,
        timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=0,
    )
    return Redis.from_pool(pool)


async def answers(redis: Redis) -> None:
    """The readiness probe: raises when Redis does not answer."""
    await redis.ping()
