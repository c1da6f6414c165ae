"""What is written within one turn of the loop goes out as one, and nothing of it is lost."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.gathering import CLIENT, Client, GatheringProtocol
from tests.support.eventually import eventually

PIECE = b"a" * 65536
PIECES = 400


class Speaker:
    """Says one small answer at `/`, and at `/long` what no buffer holds; notes how far it came. At `/wait` it waits for
    its client to go."""

    def __init__(self) -> None:
        self.said = 0
        self.waiting = asyncio.Event()
        self.left_alone = asyncio.Event()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] == "/wait":
            client = scope["extensions"][CLIENT]
            client.listen()
            self.waiting.set()
            await client.gone
            self.left_alone.set()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/long":
            for _ in range(PIECES):
                await send({"type": "http.response.body", "body": PIECE, "more_body": True})
                self.said += 1
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"end", "more_body": False})


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=GatheringProtocol, lifespan="off", log_config=None, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await running
        listening.close()


async def test_a_small_answer_comes_in_one_piece_and_then_the_end() -> None:
    async with serving(Speaker()) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert (await reader.read(65536)).endswith(b"\r\n\r\n3\r\nend\r\n0\r\n\r\n")
        assert await reader.read() == b""


async def test_who_does_not_read_is_waited_for_and_gets_all_of_it() -> None:
    speaker = Speaker()
    async with serving(speaker) as (reader, writer):
        writer.write(b"GET /long HTTP/1.1\r\nhost: a\r\n\r\n")
        seen: list[int] = []

        async def stands_still() -> bool:
            seen.append(speaker.said)
            return seen[-1] > 0 and len(seen) > 5 and len(set(seen[-5:])) == 1

        await eventually(stands_still)
        assert speaker.said < PIECES
        received = await _until_the_end(reader)
        assert received.count(b"a" * 1000) == PIECES * (len(PIECE) // 1000)


@pytest.mark.parametrize("requests", [1, 2], ids=["one request", "another behind it"])
async def test_a_client_is_heard_to_leave_whatever_it_has_asked_for_meanwhile(requests: int) -> None:
    speaker = Speaker()
    async with serving(speaker) as (_, writer):
        writer.write(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n" * requests)
        await speaker.waiting.wait()
        writer.close()
        async with asyncio.timeout(5):
            await speaker.left_alone.wait()


class Chunked:
    """Says `b` as a chunk of its own, as often as it may at once, and what is left as ASGI has it."""

    def __init__(self, *, at_most: int) -> None:
        self._at_most = at_most
        self.written = 0
        self.is_refused = asyncio.Event()
        self.had_chunks: list[bool] = []

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        chunks = scope["extensions"][CLIENT].chunks_of(scope)
        self.had_chunks.append(chunks is not None)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while chunks and self.written < self._at_most and chunks.is_ready:
            chunks.write(PIECE)
            self.written += 1
            await asyncio.sleep(0)
        self.is_refused.set()
        await send({"type": "http.response.body", "body": b"end"})


async def test_chunks_go_out_as_they_would_by_asgi() -> None:
    async with serving(Chunked(at_most=1)) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        received = await _until_the_end(reader)
        assert received.endswith(b"\r\n\r\n10000\r\n" + PIECE + b"\r\n3\r\nend\r\n0\r\n\r\n")


async def test_a_client_that_does_not_read_is_not_written_to() -> None:
    app = Chunked(at_most=PIECES)
    async with serving(app) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await app.is_refused.wait()
        assert 0 < app.written < PIECES
        assert (await _until_the_end(reader)).count(b"a" * 1000) == app.written * (len(PIECE) // 1000)


async def test_who_asks_in_a_row_is_answered_as_asgi_has_it() -> None:
    app = Chunked(at_most=0)
    async with serving(app) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 2)
        received = await _until_the_end(reader)
        while received.count(b"end") < 2:
            received += await _until_the_end(reader)
    assert app.had_chunks == [False, True]


async def test_nothing_is_written_to_a_client_that_has_left_nor_without_chunks() -> None:
    ready: list[bool] = []
    left = asyncio.Event()

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        client = scope["extensions"][CLIENT]
        chunks = client.chunks_of(scope)
        ready.append(chunks.is_ready)  # before its head
        await send({"type": "http.response.start", "status": 200, "headers": []})
        client.listen()
        await client.gone
        ready.append(chunks.is_ready)
        left.set()

    async with serving(app) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        async with asyncio.timeout(5):
            await left.wait()
    assert ready == [False, False]


async def test_a_connection_knows_whether_the_body_has_come() -> None:
    clients: list[Client] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        clients.append(scope["extensions"][CLIENT])
        sent = [clients[0].has_sent_all]
        while (await receive())["more_body"]:
            pass
        sent.append(clients[0].has_sent_all)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(sent).encode() + b"end"})

    async with serving(app) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab")
        await eventually(lambda: _has_come(clients))
        writer.write(b"cd")
        assert b"[false, true]" in await _until_the_end(reader)


async def _has_come(clients: list[Client]) -> bool:
    return bool(clients)


@pytest.mark.parametrize(
    "words", [b"no HTTP", b"GET / HTTP/1.1\r\nno header", b"GET / HTTP/1.1\r\ncontent-length: x"]
)
async def test_what_is_no_http_is_refused_with_an_id_and_in_our_words(words: bytes) -> None:
    async with serving(Speaker()) as (reader, writer):
        writer.write(words + b"\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        status, *headers = head.split(b"\r\n")
        assert status == b"HTTP/1.1 400 Bad Request"
        assert {line.partition(b":")[0] for line in headers} >= {b"x-request-id", b"content-type"}
        assert json.loads(body)["error"]["type"] == "invalid_request_error"


async def _until_the_end(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    while not received.endswith(b"end\r\n0\r\n\r\n"):
        received += await reader.read(1 << 20)
    return bytes(received)
