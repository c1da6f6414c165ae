"""A driver of its own, for what wrk has not: a constant rate, the time to the first byte, and a fixed number.

At a constant rate a request that finds no free connection waits for one, and its wait counts.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from typing import cast

import httptools

TICK_SECONDS = 0.001
DRAIN_SECONDS = 30.0
AT_ONCE_PER_SECOND = 1e5
"""No bound: more than are answered."""


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
    def failure(self) -> str:
        """Why the last request failed; empty when it did not."""
        if self.is_broken:
            return "broke off"
        status = self._parser.get_status_code()
        return "" if status == 200 and self.first_seconds is not None else f"status {status}"

    def ask(self, request: bytes, due: float) -> None:
        assert self._transport
        self._due, self.first_seconds, self._is_asking = due, None, True
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
        self.failed: Counter[str] = Counter()

    @property
    def failures(self) -> int:
        return self.failed.total()

    def add(self, client: Client) -> None:
        if client.failure or client.first_seconds is None:
            self.failed[client.failure] += 1
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
        self.asking = 0
        self._waiting: deque[float] = deque()
        self.answers = Answers()

    async def connect(self, port: int, connections: int, *, per_second: float = AT_ONCE_PER_SECOND) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in range(connections):
            await asyncio.sleep(begun + number / per_second - loop.time())
            _, client = await loop.create_connection(partial(Client, self._free), "127.0.0.1", port)
            self._clients.append(client)
            self._idle.append(client)

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
        endless = asyncio.create_task(self.run_endlessly(per_second=AT_ONCE_PER_SECOND))
        await asyncio.sleep(seconds)
        endless.cancel()
        return await self._drained()

    async def run_endlessly(self, *, per_second: float) -> None:
        """Connections that are free ask, at most so many per second."""
        begun, asked = time.perf_counter(), 0
        while True:
            due = int((time.perf_counter() - begun) * per_second)
            self._waiting.extend([0.0] * min(due - asked, len(self._idle)))
            asked = due
            self._ask_waiting()
            await asyncio.sleep(TICK_SECONDS)

    def close(self) -> None:
        for client in self._clients:
            client.close()

    async def _drained(self) -> Answers:
        """Who has no answer by then gets none."""
        deadline = time.perf_counter() + DRAIN_SECONDS
        while self.asking or (self._waiting and self._idle):
            if time.perf_counter() > deadline:
                break
            await asyncio.sleep(TICK_SECONDS)
        if left := len(self._waiting) + self.asking:
            self.answers.failed["no answer"] += left
        return self.answers

    def _free(self, client: Client) -> None:
        self.asking -= 1
        self.answers.add(client)
        self._idle.append(client)
        self._ask_waiting()

    def _ask_waiting(self) -> None:
        """A connection that broke is left out."""
        while self._waiting and self._idle:
            client = self._idle.popleft()
            if client.is_broken:
                continue
            self.asking += 1
            client.ask(next(self._requests), self._waiting.popleft() or time.perf_counter())


def percentile(values: Sequence[float], share: float) -> float:
    """Not a number of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))]
