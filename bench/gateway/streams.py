"""Streams that are read as they come: how many chunks arrived, when the first, and what broke."""

import asyncio
import re
import time
from collections.abc import Sequence
from functools import partial
from typing import cast

CHUNK = b"data: "
DONE = b"data: [DONE]"
BEGIN_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.01
STATUS = re.compile(rb"HTTP/1\.1 (\d+)")


class Stream(asyncio.Protocol):
    """One connection that asks once. `first_seconds`: from its asking to the first chunk."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._transport: asyncio.Transport | None = None
        self._asked_at = 0.0
        self.chunks = 0
        self.first_seconds: float | None = None
        self.is_done = False
        self.failure = ""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._asked_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.first_seconds is None:
            self._see_status(data)
            if CHUNK in data:
                self.first_seconds = time.perf_counter() - self._asked_at
        self.chunks += data.count(CHUNK)
        if DONE in data:
            self.is_done = True
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if not self.is_done and not self.failure:
            self.failure = "broke off"
        if not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def _see_status(self, data: bytes) -> None:
        status = STATUS.match(data)
        if status and status[1] != b"200":
            self.failure = f"status {status[1].decode()}"


class Crowd:
    """Many streams at once."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []

    async def open(self, port: int, requests: Sequence[bytes], *, per_second: float) -> None:
        """One stream for each request, evenly spread in time."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number, request in enumerate(requests):
            await asyncio.sleep(begun + number / per_second - loop.time())
            _, stream = await loop.create_connection(partial(Stream, request), "127.0.0.1", port)
            self.streams.append(stream)

    async def all_begun(self) -> None:
        """Whoever has no first chunk by then has failed."""
        deadline = time.perf_counter() + BEGIN_SECONDS_MAX
        while waiting := [one for one in self.streams if not one.chunks and not one.failure]:
            if time.perf_counter() > deadline:
                for stream in waiting:
                    stream.failure = "no first chunk"
            await asyncio.sleep(LOOK_SECONDS)

    @property
    def chunks(self) -> int:
        return sum(stream.chunks for stream in self.streams)

    @property
    def failures(self) -> list[str]:
        return [stream.failure for stream in self.streams if stream.failure]

    async def close(self) -> None:
        for stream in self.streams:
            stream.close()
        await asyncio.gather(*(stream.ended for stream in self.streams))
