"""The connection to Redis: bounded in number, and silent about what it lost."""

import asyncio

import pytest
from redis.asyncio import Redis
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


async def test_a_cancelled_caller_stops(redis_url: str) -> None:
    async with open_redis(redis_url) as redis:
        await redis.ping()
        for turns in range(8):
            asking = asyncio.create_task(_ask_for_ever(redis))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            done, _ = await asyncio.wait([asking], timeout=1)
            assert done, f"cancelled after {turns} turns of the event loop, it went on"
            assert asking.cancelled()


async def _ask_for_ever(redis: Redis) -> None:
    while True:
        await redis.ping()


async def test_after_a_restart_no_caller_gets_a_connection_of_before(redis_url: str) -> None:
    async with TcpProxy(redis_url) as line, open_redis(line.url) as redis:
        await asyncio.gather(*(redis.ping() for _ in range(8)))
        await line.cut()
        await line.mend()
        await asyncio.sleep(0)  # the loop hears that they are closed
        assert await asyncio.gather(*(redis.ping() for _ in range(8))) == [True] * 8
