"""Many callers on one connection: answers in order, none twice, and no caller left behind when it ends."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.redis_client import TIMEOUT_SECONDS, RedisWithLine, open_redis
from shared.redis_line import IN_FLIGHT_MAX, PACKED, RedisLine
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy

INCREMENT = PACKED(("INCR", "count"))


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisWithLine]:
    async with open_redis(redis_url) as client:
        await client.delete("count", "clients")
        yield client


@pytest.fixture
async def cable(redis_url: str, redis: RedisWithLine) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(redis_url) as cable:
        yield cable


async def echo(line: RedisLine, text: str) -> str:
    [answer] = await line.ask(PACKED(("ECHO", text)), 1)
    return bytes(answer).decode()


async def is_counted(redis: RedisWithLine, count: bytes) -> bool:
    return await redis.get("count") == count


async def test_each_caller_gets_its_own_answers(redis: RedisWithLine) -> None:
    texts = [str(number) * (1 + number % 50) for number in range(1000)]
    assert await asyncio.gather(*(echo(redis.line, text) for text in texts)) == texts


async def test_all_callers_share_one_connection(redis: RedisWithLine) -> None:
    before = len(await redis.client_list())
    await asyncio.gather(*(echo(redis.line, "a") for _ in range(100)))
    assert len(await redis.client_list()) == before + 1


async def test_what_redis_refuses_is_that_callers_answer(redis: RedisWithLine) -> None:
    wrong = PACKED(("INCR",)) + PACKED(("EVALSHA", "0" * 40, 0)) + PACKED(("PING",))
    refused, unknown, answer = await redis.line.ask(wrong, 3)
    assert isinstance(refused, ResponseError)
    assert isinstance(unknown, NoScriptError)
    assert answer == b"PONG"


async def test_who_asks_nothing_keeps_nobody_waiting(redis: RedisWithLine) -> None:
    await echo(redis.line, "open")
    assert await asyncio.gather(redis.line.ask(b"", 0), echo(redis.line, "a")) == [[], "a"]


async def test_a_caller_that_leaves_takes_no_answer_of_another(redis: RedisWithLine) -> None:
    await echo(redis.line, "open")
    asking = [asyncio.create_task(echo(redis.line, str(number))) for number in range(10)]
    await asyncio.sleep(0)  # all have asked
    asking[3].cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [str(number) for number in range(10) if number != 3] == [
        answer for answer in answers if isinstance(answer, str)
    ]


async def test_one_who_leaves_while_it_is_opened_closes_it_for_nobody(redis: RedisWithLine) -> None:
    first, second = (asyncio.create_task(echo(redis.line, text)) for text in ("a", "b"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "b"


async def test_when_it_breaks_all_who_wait_hear_so_and_nothing_is_sent_again(
    cable: TcpProxy, redis: RedisWithLine
) -> None:
    async with open_redis(cable.url) as through:
        await echo(through.line, "open")
        cable.lose_answers()
        asking = [asyncio.ensure_future(through.line.ask(INCREMENT, 1)) for _ in range(5)]
        await eventually(lambda: is_counted(redis, b"5"))
        await cable.cut()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(answer) for answer in answers] == [RedisConnectionError] * 5
        await cable.mend()
        assert await echo(through.line, "again") == "again"
    assert await redis.get("count") == b"5"


async def test_a_redis_that_says_nothing_is_given_up_in_time(cable: TcpProxy) -> None:
    async with open_redis(cable.url) as through:
        await echo(through.line, "open")
        cable.lose_answers()
        async with asyncio.timeout(3):
            with pytest.raises(RedisTimeoutError):
                await through.line.ask(INCREMENT, 1)


async def test_a_redis_that_is_down_is_a_connection_error(cable: TcpProxy) -> None:
    async with open_redis(cable.url) as through:
        await cable.cut()
        with pytest.raises(RedisConnectionError):
            await echo(through.line, "a")


async def test_a_wrong_password_is_told(redis_url: str) -> None:
    wrong = (
        redis_url.replace(":test@", ":wrong@") if "@" in redis_url else redis_url.replace("//", "//:wrong@")
    )
    async with open_redis(wrong) as refused:
        with pytest.raises(ResponseError):
            await echo(refused.line, "a")


async def test_no_more_questions_wait_than_their_bound() -> None:
    async def silent_after_the_greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (b"+OK\r\n", b"$4\r\nopen\r\n"):
            await reader.read(1024)
            writer.write(answer)
        while await reader.read(1 << 16):
            pass
        writer.close()

    async with await asyncio.start_server(silent_after_the_greeting, "127.0.0.1", 0) as server:
        line = RedisLine({"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]}, None, 60.0)
        assert await echo(line, "open") == "open"
        waiting = [asyncio.create_task(echo(line, "a")) for _ in range(IN_FLIGHT_MAX)]
        await asyncio.sleep(0)  # all have asked
        with pytest.raises(RedisConnectionError, match="Too many"):
            await echo(line, "a")
        line.close()
        assert {type(answer) for answer in await asyncio.gather(*waiting, return_exceptions=True)} == {
            RedisConnectionError
        }


def test_answers_that_wait_for_this_process_are_not_late(redis_url: str) -> None:
    """It was stopped, or busy: what Redis answered in time lies in the socket. (Production's loop reads before it looks
    at its timers.)"""

    async def ask_and_be_stopped() -> list[object]:
        async with open_redis(redis_url) as client:
            await echo(client.line, "open")
            asking = asyncio.ensure_future(client.line.ask(PACKED(("BLPOP", "nothing", 0.2)), 1))
            await asyncio.sleep(0.05)  # asked, and not answered yet
            time.sleep(TIMEOUT_SECONDS)  # noqa: ASYNC251 that is the point
            return await asking

    assert uvloop.run(ask_and_be_stopped()) == [None]


async def test_what_is_no_redis_ends_the_connection() -> None:
    async def chatter(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(chatter, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        line = RedisLine({"host": "127.0.0.1", "port": port}, None, 1.0)
        with pytest.raises(RedisConnectionError):
            await echo(line, "a")
        line.close()
