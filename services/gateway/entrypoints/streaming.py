"""The client's end of a stream: headers, events, comments while it waits, and a last word however it ends."""

import asyncio
from contextlib import suppress
from time import monotonic

import structlog
from starlette.types import Send

from services.gateway.domain.errors import UpstreamFailed
from services.gateway.domain.generation import AnswerStream
from services.gateway.entrypoints import http
from services.gateway.use_cases.open_request import OpenRequest
from services.gateway.use_cases.outage import out_of_service
from shared.contracts.gateway import Outcome
from shared.errors import PromptlyError
from shared.http.errors import body_of
from shared.http.gathering import Chunks

HEADERS: http.Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
CUT_OFF = "The answer was cut off on our side. What you received so far is charged."
PATIENCE_SECONDS = 10.0
"""Before that a waiting request can still be refused with a status of its own."""
READER_SECONDS_MAX = 60.0
"""That a client may keep its upstream waiting, all its pauses together: a slot is not its own for as long as it likes."""
FAREWELL_TIMEOUT_SECONDS = 1.0
"""For the error frame of a stream that we cut: its client may not be reading."""

log = structlog.get_logger()


class Listener:
    """The client of one stream."""

    def __init__(
        self, send: Send, headers: http.Headers, stream: AnswerStream, chunks: Chunks | None
    ) -> None:
        self._send = send
        self._chunks = chunks
        self._headers = headers
        self._stream = stream
        self._waited_seconds = 0.0
        self._waiting_since: float | None = None
        self.has_begun = False

    async def begin(self) -> None:
        if self.has_begun:
            return
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})

    @property
    def is_ready(self) -> bool:
        """Nothing has to be waited for, neither its head nor its reading."""
        return self._chunks is not None and self._chunks.is_ready

    def pass_on(self, data: bytes) -> None:
        """While it is ready."""
        assert self._chunks is not None
        self._chunks.write(data)

    async def send(self, data: bytes) -> None:
        self._waiting_since = monotonic()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self._waited_seconds += monotonic() - self._waiting_since
        self._waiting_since = None

    @property
    def is_too_slow(self) -> bool:
        """It reads so little that it counts as gone."""
        waiting_seconds = 0.0 if self._waiting_since is None else monotonic() - self._waiting_since
        return self._waited_seconds + waiting_seconds > READER_SECONDS_MAX

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def end_with(self, error: PromptlyError) -> None:
        await self.send(self._stream.broken_by(body_of(error)["error"]))
        await self.end()


def outcome(request: OpenRequest, relay: asyncio.Task[None], listener: Listener) -> Outcome | None:
    """None when it was refused before it began."""
    if relay.cancelled():
        return Outcome.LOST if request.was_cut else Outcome.CLIENT_DISCONNECTED
    if relay.exception() is None:
        return Outcome.COMPLETED
    if not listener.has_begun:
        return None
    return Outcome.REVOKED if request.was_revoked else Outcome.UPSTREAM_FAILED


async def until_done(
    relay: asyncio.Task[None], gone: asyncio.Future[None], request: OpenRequest, listener: Listener
) -> None:
    """The answer's end or the client's, that of one who reads too slowly as well. One that waits long for its turn
    hears that it does."""
    while True:
        done, _ = await asyncio.wait(
            {relay, gone}, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if done or listener.is_too_slow:
            return
        if not request.is_generating:
            await listener.begin()
            await listener.send(b": waiting\n\n")


async def say_farewell(request: OpenRequest, listener: Listener) -> None:
    if not request.was_cut:
        return
    if not listener.has_begun:
        raise out_of_service("cut_before_it_began")
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL_TIMEOUT_SECONDS):
            await listener.end_with(UpstreamFailed(CUT_OFF))


async def end(listener: Listener, error: BaseException | None) -> None:
    if error is None:
        await listener.end()
    elif not listener.has_begun:
        raise error
    elif isinstance(error, PromptlyError):
        await listener.end_with(error)
    else:
        log.error("stream_failed", exc_info=error)
        await listener.end_with(UpstreamFailed(CUT_OFF))
