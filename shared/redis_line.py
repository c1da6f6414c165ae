"""One connection to Redis for many callers at once: what they ask goes out as it comes, and is answered in order.

Nothing is sent a second time. When the connection is lost, or Redis leaves a question unanswered for too long, all who
wait hear so (it may have done what it was asked), and the next caller opens another.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import hiredis
from redis.exceptions import BusyLoadingError, NoScriptError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

IN_FLIGHT_MAX = 4096
"""Questions that wait for an answer. Redis, which is that far behind, answers the last of them after about 0.2 s."""
PACKED = cast("Callable[[tuple[Any, ...]], bytes]", hiredis.pack_command)
BROKE = "The connection to Redis broke."


class _Question:
    """So many answers are expected, by then."""

    __slots__ = ("answers", "deadline", "expected", "future")

    def __init__(self, future: "asyncio.Future[list[Any]]", expected: int, deadline: float) -> None:
        self.future = future
        self.expected = expected
        self.deadline = deadline
        self.answers: list[Any] = []


class _Wire(asyncio.Protocol):
    """One connection's life."""

    def __init__(self, timeout_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_seconds = timeout_seconds
        self._questions: deque[_Question] = deque()
        self._unsent: list[bytes] = []
        self._reader = hiredis.Reader(replyError=_error_of)
        self._transport: asyncio.Transport | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self.is_lost = False

    def ask(self, commands: bytes, expected: int) -> "asyncio.Future[list[Any]]":
        if len(self._questions) >= IN_FLIGHT_MAX:
            raise RedisConnectionError("Too many questions wait for Redis.")
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        question = _Question(future, expected, self._loop.time() + self._timeout_seconds)
        self._questions.append(question)
        if self._alarm is None:
            self._alarm = self._loop.call_at(question.deadline, self._ring)
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(commands)
        return future

    def _send(self) -> None:
        """What was asked within one turn of the loop, in one call into the kernel."""
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and not self.is_lost:
            self._transport.write(b"".join(unsent))

    def end(self, error: RedisError) -> None:
        """All who wait hear the error."""
        self.is_lost = True
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._transport is not None:
            self._transport.abort()
        while self._questions:
            future = self._questions.popleft().future
            if not future.done():
                future.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not False:
                self._answered(answer)
        except hiredis.ProtocolError:
            self.end(RedisConnectionError("Redis answered what is not its protocol."))

    def connection_lost(self, _: Exception | None) -> None:
        self.end(RedisConnectionError(BROKE))

    def _answered(self, answer: Any) -> None:
        if not self._questions:
            self.end(RedisConnectionError("Redis answered what nobody asked."))
            return
        question = self._questions[0]
        question.answers.append(answer)
        if len(question.answers) == question.expected:
            self._questions.popleft()
            if not question.future.done():  # its caller was cancelled
                question.future.set_result(question.answers)

    def _ring(self) -> None:
        """One alarm for all: the oldest question is the first that is late."""
        self._alarm = None
        if not self._questions:
            return
        deadline = self._questions[0].deadline
        if self._loop.time() < deadline:
            self._alarm = self._loop.call_at(deadline, self._ring)
        else:
            self.end(RedisTimeoutError("Redis did not answer in time."))


class RedisLine:
    """`place`: redis-py's own arguments of a connection (host, port, db, username, password, path). Opened by the
    first caller."""

    def __init__(self, place: Mapping[str, Any], tls: ssl.SSLContext | None, timeout_seconds: float) -> None:
        self._place = place
        self._tls = tls
        self._timeout_seconds = timeout_seconds
        self._wire: _Wire | None = None
        self._opening: asyncio.Task[_Wire] | None = None

    def ask(self, commands: bytes, expected: int) -> Awaitable[list[Any]]:
        """The answers to that many packed commands; what Redis refuses is an exception among them. Raises redis
        errors when it does not answer."""
        wire = self._wire
        if wire is None or wire.is_lost or not expected:
            return self._open_and_ask(commands, expected)
        return wire.ask(commands, expected)

    def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._wire is not None:
            self._wire.end(RedisConnectionError(BROKE))

    async def _open_and_ask(self, commands: bytes, expected: int) -> list[Any]:
        if not expected:  # Redis would answer nothing, and everybody behind would wait for that
            return []
        wire = await self._open_once()
        return await wire.ask(commands, expected)

    async def _open_once(self) -> _Wire:
        """For all who ask meanwhile; one who leaves does not end it."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    def _opened(self, opening: "asyncio.Task[_Wire]") -> None:
        self._opening = None
        if not opening.cancelled() and opening.exception() is None:
            self._wire = opening.result()

    async def _open(self) -> _Wire:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                wire = await self._connect()
        except TimeoutError as error:
            raise RedisTimeoutError("Redis cannot be connected to in time.") from error
        except OSError as error:
            raise RedisConnectionError("Redis cannot be connected to.") from error
        try:
            await self._greet(wire)
        except BaseException:
            wire.end(RedisConnectionError(BROKE))
            raise
        return wire

    async def _greet(self, wire: _Wire) -> None:
        greeting = self._greeting()
        for answer in await wire.ask(b"".join(map(PACKED, greeting)), len(greeting)):
            if isinstance(answer, Exception):
                raise answer

    async def _connect(self) -> _Wire:
        loop, place = asyncio.get_running_loop(), self._place
        if place.get("path"):
            _, wire = await loop.create_unix_connection(self._make_wire, place["path"])
        else:
            host, port = place.get("host", "localhost"), int(place.get("port", 6379))
            _, wire = await loop.create_connection(self._make_wire, host, port, ssl=self._tls)
        return wire

    def _make_wire(self) -> _Wire:
        return _Wire(self._timeout_seconds)

    def _greeting(self) -> list[tuple[Any, ...]]:
        commands: list[tuple[Any, ...]] = [("SELECT", self._place.get("db") or 0)]
        if password := self._place.get("password"):
            username = self._place.get("username")
            commands.insert(0, ("AUTH", username, password) if username else ("AUTH", password))
        return commands


def _error_of(message: str) -> RedisError:
    if message.startswith("NOSCRIPT"):
        return NoScriptError(message)
    return BusyLoadingError(message) if message.startswith("LOADING") else ResponseError(message)
