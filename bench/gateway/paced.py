"""A driver of its own, for what wrk has not: a constant rate, the time to the first byte, and a fixed number.

At a constant rate a request that finds no free connection waits for one, and its wait counts.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import cast

import httptools

TICK_SECONDS = 0.001
DRAIN_SECONDS = 30.0
ENDLESS = 10_000
"""More than are answered within a tick."""


class Client(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self, answered: Callable[["Client"], None]) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._due = 0.0
        self._is_asking = False
        self.first_seconds: float | None = None
        self.seconds = 0.0
        self.is_broken = False

    @property
    def has_failed(self) -> bool:
        return self.is_broken or self._parser.get_status_code() != 200

    def ask(self, request: bytes, due: float) -> None:
        assert self._transport
        self._due, self.first_seconds, self._is_asking = due, None, True
        if self.is_broken:
            self._end()
        else:
            self._transport.write(request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.is_broken = True
        if self._is_asking:
            self._end()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, _: bytes) -> None:
        if self.first_seconds is None:
            self.first_seconds = time.perf_counter() - self._due

    def on_message_complete(self) -> None:
        self._end()

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def _end(self) -> None:
        self._is_asking = False
        self.seconds = time.perf_counter() - self._due
        self._answered(self)


class Answers:
    """In milliseconds, as they came."""

    def __init__(self) -> None:
        self.first_ms: list[float] = []
        self.ms: list[float] = []
        self.failures = 0

    def add(self, client: Client) -> None:
        if client.has_failed or client.first_seconds is None:
            self.failures += 1
            return
        self.first_ms.append(client.first_seconds * 1000)
        self.ms.append(client.seconds * 1000)

    def percentile_ms(self, share: float) -> float:
        return percentile(self.ms, share)

    def first_percentile_ms(self, share: float) -> float:
        return percentile(self.first_ms, share)


class Driver:
    """Asks in turn with `requests`, over its own kept connections."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self._requests = cycle(requests)
        self._clients: list[Client] = []
        self._idle: deque[Client] = deque()
        self._waiting: deque[float] = deque()
        self.answers = Answers()

    async def connect(self, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(self._new_client, "127.0.0.1", port)

    async def run_paced(self, *, per_second: float, seconds: float) -> Answers:
        begun, asked = time.perf_counter(), 0
        while (now := time.perf_counter()) < begun + seconds:
            due = int((now - begun) * per_second)
            self._waiting.extend([now] * (due - asked))
            asked = due
            self._ask_waiting()
            await asyncio.sleep(TICK_SECONDS)
        return await self._drained()

    async def run_closed(self, count: int) -> Answers:
        """Each connection asks again as soon as it is answered."""
        self._waiting.extend([0.0] * count)
        self._ask_waiting()
        return await self._drained()

    async def run_for(self, seconds: float) -> Answers:
        """Each connection asks again as soon as it is answered, until the time is over."""
        endless = asyncio.create_task(self.run_endlessly())
        await asyncio.sleep(seconds)
        endless.cancel()
        self._waiting.clear()
        return await self._drained()

    async def run_endlessly(self) -> None:
        while True:
            if not self._waiting:
                self._waiting.extend([0.0] * ENDLESS)
            self._ask_waiting()
            await asyncio.sleep(TICK_SECONDS)

    def close(self) -> None:
        for client in self._clients:
            client.close()

    async def _drained(self) -> Answers:
        """Who has no answer by then gets none."""
        deadline = time.perf_counter() + DRAIN_SECONDS
        while self._waiting or len(self._idle) < len(self._clients):
            if time.perf_counter() > deadline:
                self.answers.failures += len(self._waiting) + len(self._clients) - len(self._idle)
                break
            await asyncio.sleep(TICK_SECONDS)
        return self.answers

    def _new_client(self) -> Client:
        client = Client(self._free)
        self._clients.append(client)
        self._idle.append(client)
        return client

    def _free(self, client: Client) -> None:
        self.answers.add(client)
        self._idle.append(client)
        self._ask_waiting()

    def _ask_waiting(self) -> None:
        while self._waiting and self._idle:
            due = self._waiting.popleft() or time.perf_counter()
            self._idle.popleft().ask(next(self._requests), due)


def percentile(values: Sequence[float], share: float) -> float:
    """Not a number of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))]
