"""An answer of a known length is one write; and to the byte what uvicorn itself would have sent."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.http.gathering import GatheringProtocol

Headers = list[tuple[bytes, bytes]]
LENGTH_3: Headers = [(b"content-length", b"3")]
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


def said(
    *pieces: bytes, status: int = 200, headers: Headers | None = None, more_at_the_end: bool = False
) -> list[Message]:
    start = {"type": "http.response.start", "status": status, "headers": headers or []}
    bodies = [{"type": "http.response.body", "body": piece, "more_body": True} for piece in pieces]
    bodies[-1]["more_body"] = more_at_the_end
    return [start, *bodies]


class Counting(GatheringProtocol):
    writes: list[bytes] = []  # noqa: RUF012  # the test's own, which uvicorn makes the protocol for

    def connection_made(self, transport: Any) -> None:
        write = transport.write

        class Counted:
            def write(self, data: bytes) -> None:
                Counting.writes.append(bytes(data))
                write(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(transport, name)

        super().connection_made(Counted())  # type: ignore[arg-type]  # a transport in all but name


@asynccontextmanager
async def serving(protocol: type[HttpToolsProtocol], app: ASGIApp) -> AsyncIterator[tuple[str, int]]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = True
        await running
        listening.close()


async def heard(address: tuple[str, int], asked: bytes) -> bytes:
    """All that comes until the connection is closed, at the latest by the last answer; without the date."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(asked + LAST)
    async with asyncio.timeout(10):
        received = await reader.read()
    writer.close()
    return without_date(received)


async def answers_of(protocol: type[HttpToolsProtocol], asked: bytes) -> dict[str, bytes]:
    answer: list[Message] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in answer:
            await send({**message})

    answers = {}
    async with serving(protocol, app) as address:
        for name, answer in ANSWERS.items():  # noqa: B007  # the app says it
            answers[name] = await heard(address, asked)
    return answers


def without_date(received: bytes) -> bytes:
    return re.sub(rb"date: [^\r]*\r\n", b"", received)


ANSWERS = {
    "whole": said(b"one", headers=LENGTH_3),
    "of another status": said(b"one", status=429, headers=LENGTH_3),
    "empty": said(b"", headers=[(b"content-length", b"0")]),
    "in two pieces": said(b"on", b"e", headers=LENGTH_3),
    "a piece and then the end": said(b"one", b"", headers=LENGTH_3),
    "of unknown length": said(b"one"),
    "without a body": said(b"", status=204),
    "not modified": said(b"", status=304, headers=LENGTH_3),
    "and the last": said(b"one", headers=[*LENGTH_3, (b"connection", b"close")]),
    "in chunks by name": said(b"one", headers=[(b"transfer-encoding", b"chunked")]),
    "with capitals": said(b"one", headers=[(b"Content-Length", b"3"), (b"X-A", b"b")]),
    "with two of a name": said(b"one", headers=[*LENGTH_3, (b"set-cookie", b"a"), (b"set-cookie", b"b")]),
    "longer than told": said(b"three", headers=LENGTH_3),
    "shorter than told": said(b"a", headers=LENGTH_3),
    "with a line break in a value": said(b"one", headers=[*LENGTH_3, (b"x-a", b"b\r\nx-c: d")]),
    "with a colon in a name": said(b"one", headers=[*LENGTH_3, (b"x-a:", b"b")]),
}


@pytest.mark.parametrize(
    "asked", [b"", GET, GET.replace(b"GET", b"HEAD"), GET * 2], ids=["once", "twice", "the head", "in a row"]
)
async def test_it_is_what_uvicorn_would_have_sent(asked: bytes) -> None:
    theirs = await answers_of(HttpToolsProtocol, asked)
    assert await answers_of(GatheringProtocol, asked) == theirs
    assert sum(answer.startswith(b"HTTP/1.1 ") for answer in theirs.values()) >= len(ANSWERS) - 2


async def test_head_and_body_are_one_write_that_no_turn_of_the_loop_has_to_wait_for() -> None:
    Counting.writes, at_once = [], []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in ANSWERS["whole"]:
            await send({**message})
        at_once.extend(Counting.writes)

    async with serving(Counting, app) as address:
        received = await heard(address, GET)
    [answer, *_] = at_once
    assert answer.endswith(b"\r\n\r\none")
    assert received.startswith(without_date(answer))


async def test_who_left_meanwhile_is_written_nothing() -> None:
    Counting.writes = []
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ANSWERS["whole"][0])
        assert (await receive())["type"] == "http.disconnect"
        await send(ANSWERS["whole"][1])
        left.set()

    async with serving(Counting, app) as address:
        _, writer = await asyncio.open_connection(*address)
        writer.write(GET)
        await writer.drain()
        writer.close()
        async with asyncio.timeout(5):
            await left.wait()
    assert Counting.writes == []
