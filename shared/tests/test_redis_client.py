"""The connection to Redis: bounded in number, and silent about what it lost."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.redis_client import CONNECTIONS_MAX, open_redis
from tests.support.tcp_proxy import TcpProxy


async def test_more_callers_than_connections_wait_their_turn(redis_url: str) -> None:
    async with open_redis(redis_url) as redis:
        answers = await asyncio.gather(*(redis.ping() for _ in range(4 * CONNECTIONS_MAX)))
    assert all(answers)


async def test_a_lost_connection_is_told_and_nothing_is_sent_again(redis_url: str) -> None:
    async with TcpProxy(redis_url) as line, open_redis(line.url) as redis:
        await redis.set("count", 0)
        line.lose_answers()
        with pytest.raises(RedisTimeoutError):
            await redis.incr("count")
    async with open_redis(redis_url) as redis:
        assert await redis.get("count") == b"1"


async def test_a_redis_that_is_down_is_a_connection_error(redis_url: str) -> None:
    async with TcpProxy(redis_url) as line, open_redis(line.url) as redis:
        await line.cut()
        with pytest.raises(RedisConnectionError):
            await redis.ping()
