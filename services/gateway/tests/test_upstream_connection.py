"""Answers of a model server as HTTP allows them, and as it does not."""

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from services.gateway.adapters.upstream_connection import BUFFERED_BYTES_MAX, UNFRAMED_BYTES_MAX
from services.gateway.adapters.upstream_http import HttpUpstream
from services.gateway.domain.errors import UpstreamFailed, UpstreamTimedOut
from services.gateway.tests.support.http_peer import (
    CALL,
    CHUNKED,
    HEAD,
    WHOLE,
    Nobody,
    Peer,
    ask,
    has_ended,
    serving,
)
from tests.support.eventually import eventually


async def test_a_request_is_ours_alone() -> None:
    async with serving((WHOLE,), path="/base/") as (upstream, peer):
        assert await ask(upstream) == b"answer"
    assert peer.heard == [
        b"POST /base/v1/chat/completions HTTP/1.1\r\n"
        b"host: 127.0.0.1:%d\r\ncontent-type: application/json\r\naccept-encoding: identity\r\n"
        b'authorization: Bearer secret\r\ncontent-length: 7\r\n\r\n{"a":1}' % peer.port
    ]


@pytest.mark.parametrize(
    "pieces",
    [
        (WHOLE,),
        tuple(bytes([byte]) for byte in WHOLE),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n" + WHOLE),
        (CHUNKED + b"3\r\nans\r\n", b"3\r\nwer\r\n0\r\n\r\n"),
        (CHUNKED + b"6;name=value;other\r\nanswer\r\n0\r\n\r\n",),
        (CHUNKED + b"6\r\nanswer\r\n0\r\nx-trailer: a\r\nkeep-alive: timeout=9, max=9\r\n\r\n",),
        (HEAD + b"x-long: " + b"a" * 60_000 + b"\r\ncontent-length: 6\r\n\r\nanswer",),
        (HEAD + b"\r\nans", b"wer", None),
        (b"HTTP/1.0 200 OK\r\n\r\nanswer", None),
        (WHOLE + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",),
        (WHOLE + b"\x00 no HTTP at all",),
    ],
    ids=[
        "whole", "byte by byte", "after interim answers", "in chunks", "with chunk extensions", "with trailers",
        "after a long header", "until the connection's end", "of HTTP/1.0", "before another", "before junk",
    ],
)  # fmt: skip
async def test_an_answer_is_read_as_http_has_it(pieces: tuple[bytes | None, ...]) -> None:
    async with serving(pieces) as (upstream, peer):
        assert await ask(upstream) == b"answer"
        await eventually(lambda: has_ended(peer, 1))


@pytest.mark.parametrize(
    "pieces",
    [
        (None,),
        (b"HTTP/1.1 200 OK\r\ncontent-le", None),
        (HEAD + b"content-length: 7\r\n\r\nanswer", None),
        (CHUNKED + b"6\r\nanswer\r\n", None),
        (CHUNKED + b"6\r\nans", None),
        (CHUNKED + b"zz\r\nanswer\r\n",),
        (b"SSH-2.0-OpenSSH_9.2\r\n",),
        (HEAD + b"content-length: 6\r\ncontent-length: 5\r\n\r\nanswer",),
        (HEAD + b"content-length: 6\r\ntransfer-encoding: chunked\r\n\r\nanswer",),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",),
        (HEAD + b"x: " + b"a" * (2 * UNFRAMED_BYTES_MAX),),
        (CHUNKED + b"6;" + b"a" * (2 * UNFRAMED_BYTES_MAX),),
        (CHUNKED + b"0\r\nx: " + b"a" * (2 * UNFRAMED_BYTES_MAX),),
        (HEAD + b"content-length: 0\r\n\r\n",),
    ],
    ids=[
        "nothing at all", "half a head", "less than its length", "no last chunk", "half a chunk", "no chunk size",
        "another protocol", "two lengths", "length and chunks", "an upgrade", "a head without end",
        "a chunk extension without end", "trailers without end", "an empty body",
    ],
)  # fmt: skip
async def test_what_is_no_whole_answer_is_a_failure_and_asked_once(pieces: tuple[bytes | None, ...]) -> None:
    async with serving(pieces) as (upstream, peer):
        with pytest.raises(UpstreamFailed):
            await ask(upstream)
        assert len(peer.heard) == 1
        await eventually(lambda: has_ended(peer, 1))


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\n",),
        (HEAD + b"content-length: 6\r\n\r\nans",),
        (CHUNKED + b"6;",) + (b"a",) * 400,
    ],
    ids=["in its head", "in its body", "while nothing of the body comes"],
)
async def test_a_silent_server_is_given_up(pieces: tuple[bytes, ...]) -> None:
    async with serving(pieces, timeout_seconds=0.1) as (upstream, peer):
        with pytest.raises(UpstreamTimedOut):
            await ask(upstream)
        await eventually(lambda: has_ended(peer, 1))


async def test_a_slow_server_that_goes_on_is_waited_for() -> None:
    pieces = [b"1\r\na\r\n"] * 100
    async with serving((CHUNKED, *pieces, b"0\r\n\r\n"), timeout_seconds=0.15) as (upstream, _):
        assert await ask(upstream) == b"a" * 100


@pytest.mark.parametrize(
    "pieces", [(b"",), (CHUNKED,), (CHUNKED + b"1\r\na\r\n",)], ids=["asked", "head", "body"]
)
async def test_who_leaves_closes_the_connection_at_once(pieces: tuple[bytes, ...]) -> None:
    async with serving(pieces) as (upstream, peer):
        asking = asyncio.create_task(ask(upstream))
        await eventually(lambda: was_heard(peer))
        asking.cancel()
        await asyncio.wait([asking])
        await eventually(lambda: has_ended(peer, 1))


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_connection_that_is_reset_in_the_middle_gives_what_came_and_then_fails(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"3\r\nans\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def case() -> None:
        async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with (
                HttpUpstream(url, None, timeout_seconds=5) as upstream,
                upstream.open_answer(CALL, Nobody()) as answer,
            ):
                assert await answer.read_piece() == b"ans"
                with pytest.raises(UpstreamFailed):
                    await answer.read_piece()

    run(case())


async def was_heard(peer: Peer) -> bool:
    return len(peer.heard) > 0


async def test_a_client_that_does_not_read_stops_its_server() -> None:
    """What is not taken yet is bounded, whatever the server would like to say."""
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED)
        piece = b"10000\r\n" + b"a" * 65536 + b"\r\n"
        try:
            while sent < 64 << 20:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(pour, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with (
            HttpUpstream(url, None, timeout_seconds=5) as upstream,
            upstream.open_answer(CALL, Nobody()) as answer,
        ):
            await stands_still(lambda: sent)
            assert sent < BUFFERED_BYTES_MAX + (16 << 20)  # the kernel's own buffers
            before = sent
            while sent == before:
                assert await answer.read_piece()


async def stands_still(value: Callable[[], int]) -> None:
    seen: list[int] = []

    async def is_same() -> bool:
        seen.append(value())
        return len(seen) > 5 and len(set(seen[-5:])) == 1 and seen[-1] > 0

    await eventually(is_same)
