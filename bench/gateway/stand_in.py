"""`python -m bench.gateway.stand_in PORT`: an upstream that streams, on uvloop and httptools.

It honours `timings_per_token` and `include_usage`, and sends each chunk by itself, when it is due.
"""

import asyncio
import re
import sys
from functools import cache
from typing import cast

import httptools
import uvloop

from bench.gateway import answers

JSON_HEAD = b"HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nContent-Type: application/json; charset=utf-8\r\n"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
STREAM, TIMINGS, USAGE = (
    re.compile(rb'"%s": ?true' % name) for name in (b"stream", b"timings_per_token", b"include_usage")
)
LAST = b"0\r\n\r\n"
WORDS = (" the", " story", " of", " a", " small", " town", " by", " the sea", ",", " and")


class StandIn(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._path = ""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path, self._body = url.decode(), b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if STREAM.search(self._body):
            self._begin_stream(self._body)
        else:
            self._write(_say(answers.PLAIN.get(self._path) or answers.whole()))

    def _begin_stream(self, body: bytes) -> None:
        chunks, per_second = answers.ordered_in(body)
        has_timings, has_usage = bool(TIMINGS.search(body)), bool(USAGE.search(body))
        ending = _framed(answers.ending(chunks, has_usage=has_usage)) + LAST
        if per_second == 0:
            pieces = [piece(place, has_timings) for place in range(1, chunks + 1)]
            self._write(STREAM_HEAD + b"".join(pieces) + ending)
            return
        self._write(STREAM_HEAD + piece(1, has_timings))
        self._go_on(chunks, has_timings, 1 / per_second, ending)

    def _go_on(self, chunks: int, has_timings: bool, every: float, ending: bytes) -> None:
        loop = asyncio.get_running_loop()
        place, due = 2, loop.time() + every

        def tick() -> None:
            nonlocal place, due
            if place > chunks:
                self._write(ending)
                return
            self._write(piece(place, has_timings))
            place += 1
            due += every
            self._timer = loop.call_at(due, tick)

        self._timer = loop.call_at(due, tick)

    def _write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)


@cache
def piece(place: int, has_timings: bool) -> bytes:  # a key of the cache
    greeting = _framed(answers.chunk({"role": "assistant", "content": None}, place, has_timings=False))
    said = _framed(answers.chunk({"content": WORDS[place % len(WORDS)]}, place, has_timings=has_timings))
    return greeting + said if place == 1 else said


@cache
def _say(body: bytes) -> bytes:
    return JSON_HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(StandIn, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
