"""A line that is silent delivers later, one that is cut breaks, and one that loses a reply loses exactly one."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.chaos.lines import Line


@pytest.fixture
async def asked() -> list[bytes]:
    """What the server at the end of the line has heard."""
    return []


@pytest.fixture
async def line(asked: list[bytes]) -> AsyncIterator[Line]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.readline():
            asked.append(data)
            writer.write(b"yes, " + data)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        line = Line("a>b", server.sockets[0].getsockname()[1])
        await line.open()
        yield line
        await line.close()


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def ask(self, what: bytes) -> bytes:
        """Empty when the connection broke."""
        try:
            self.writer.write(what)
            return await self._reader.readline()
        except ConnectionError:
            return b""


@pytest.fixture
async def caller(line: Line) -> AsyncIterator[Caller]:
    caller = Caller(*await asyncio.open_connection("127.0.0.1", line.port))
    yield caller
    caller.writer.transport.abort()


async def test_a_line_passes_what_is_said(caller: Caller) -> None:
    assert await caller.ask(b"one\n") == b"yes, one\n"


async def test_what_was_said_into_silence_arrives_when_the_line_is_mended(line: Line, caller: Caller) -> None:
    await caller.ask(b"one\n")
    line.silence()
    asking = asyncio.create_task(caller.ask(b"two\n"))
    done, _ = await asyncio.wait({asking}, timeout=0.1)
    assert not done
    line.mend()
    assert await asking == b"yes, two\n"


async def test_a_lost_reply_was_acted_upon_and_breaks_the_connection_once(
    line: Line, caller: Caller, asked: list[bytes]
) -> None:
    line.lose_reply_to(b"COMMIT")
    assert await caller.ask(b"BEGIN\n") == b"yes, BEGIN\n"
    assert await caller.ask(b"COMMIT\n") == b""
    assert asked == [b"BEGIN\n", b"COMMIT\n"]
    again = Caller(*await asyncio.open_connection("127.0.0.1", line.port))
    assert await again.ask(b"COMMIT\n") == b"yes, COMMIT\n"
    again.writer.transport.abort()


async def test_a_line_that_is_cut_breaks_all_and_takes_nobody_until_it_is_mended(
    line: Line, caller: Caller
) -> None:
    await caller.ask(b"one\n")
    line.cut()
    assert await caller.ask(b"two\n") == b""
    line.mend()
    again = Caller(*await asyncio.open_connection("127.0.0.1", line.port))
    assert await again.ask(b"three\n") == b"yes, three\n"
    again.writer.transport.abort()
