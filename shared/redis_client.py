"""The connection to Redis for money: it never re-sends anything by itself.

A lost reply may hide a script that ran; whoever called repeats with the same request id if it must
(every script is idempotent), and nobody else does.
"""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

TIMEOUT_SECONDS = 1.0
CONNECTIONS_MAX = 64


def open_redis(url: str) -> Redis:
    """A lazy client; values are bytes. `url` is redis://host:port/0."""
    return Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        max_connections=CONNECTIONS_MAX,
        health_check_interval=0,
    )


async def answers(redis: Redis) -> None:
    """The readiness probe: raises when Redis does not answer."""
    await redis.ping()
