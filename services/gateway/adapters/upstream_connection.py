"""One connection to a model server: a request goes out, its answer comes in pieces, on httptools (llhttp).

Never two requests at once, and nothing is sent a second time. Whatever is odd about an answer (broken framing, bytes
nobody asked for, a head without end) ends the connection. Raises UpstreamFailed or UpstreamTimedOut.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import httptools

from services.gateway.adapters.plain_chunk import CHUNK_END, plain_head
from services.gateway.domain.errors import UpstreamFailed, UpstreamTimedOut
from services.gateway.domain.keep_alive import PROMISED_NOTHING, promise_in
from shared.errors import PromptlyError

UNFRAMED_BYTES_MAX = 256 << 10
"""Of a head, of chunk extensions, of trailers: what comes without a byte of the body between."""
BUFFERED_BYTES_MAX = 256 << 10
"""Beyond it the server is not read any more until the client has taken what there is."""
BROKEN_OFF = "The model server cannot be reached, or broke off."
TOO_SLOW = "The model server did not answer in time."


class UpstreamConnection(asyncio.Protocol):
    """`answers`: how many have come whole, over its life. `taker` is offered what comes of this answer while somebody
    waits for it; what it takes is done with."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._deadline = self._timeout_seconds = 0.0
        self._failure: PromptlyError | None = None
        self._has_strays = False
        self.answers = 0
        self.promise = PROMISED_NOTHING
        self._expect_answer()

    def _expect_answer(self) -> None:
        self.taker: Callable[[bytes], bool] | None = None
        self._pieces: list[bytes] = []
        self._buffered_bytes = self._unframed_bytes = 0
        self._status = 0
        self._has_length = self._has_head = self._is_complete = self._is_paused = self._is_chunked = False
        self._is_between_chunks = False

    # ── what the pool and the upstream use ──

    def send(self, request: bytes) -> None:
        """The whole request, at once."""
        assert self._transport is not None
        assert self._is_complete or not self.answers
        self._expect_answer()
        self.promise = PROMISED_NOTHING
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)

    async def read_status(self, timeout_seconds: float) -> int:
        """Waits for the whole head, at most that long."""
        while not self._has_head:
            await self._happening(timeout_seconds)
        return self._status

    async def read_piece(self, timeout_seconds: float) -> bytes:
        """What has come of the body since the last piece; empty at its end."""
        while not self._pieces:
            if self._is_complete:
                return b""
            await self._happening(timeout_seconds)
        pieces, self._pieces, self._buffered_bytes = self._pieces, [], 0
        if self._is_paused:
            self._read_on()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def is_idle(self) -> bool:
        """It may take another request: its last answer is complete, nothing came after it, nothing ended it."""
        return (
            self._is_complete
            and not self._has_strays
            and not self._is_paused
            and self._failure is None
            and self._transport is not None
            and not self._transport.is_closing()
            and self._transport.get_write_buffer_size() == 0
        )

    def close(self) -> None:
        """At once, whatever is still on its way: it is how a generation is stopped."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._transport is not None:
            self._transport.abort()

    # ── asyncio.Protocol ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self._stray()
            return
        if self._is_between_chunks and (head := plain_head(data)):
            self.on_body(data[len(head) : -len(CHUNK_END)])
        else:
            self._unframed_bytes += len(data)
            try:
                self._parser.feed_data(data)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                self._stray()
        if self._is_complete:
            self._parser = None
        elif self._is_taken():
            return
        elif self._unframed_bytes > UNFRAMED_BYTES_MAX:
            self._fail(UpstreamFailed(BROKEN_OFF))
        self._wake()

    def eof_received(self) -> None:
        """The end of a body that said no length is the connection's."""
        if self._has_head and not self._has_length:
            self._is_complete, self.promise = True, PROMISED_NOTHING
            self._wake()

    def connection_lost(self, _: Exception | None) -> None:
        self._fail(UpstreamFailed(BROKEN_OFF))

    # ── httptools ──

    def on_message_begin(self) -> None:
        if self._is_complete:
            self._has_strays = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of interim answers and of trailers, too: those change nothing."""
        if self._has_head or self._is_complete:
            return
        match name.lower():
            case b"content-length":
                self._has_length = True
            case b"transfer-encoding":
                self._has_length = self._is_chunked = True
            case b"keep-alive":
                self.promise = promise_in(value)

    def on_headers_complete(self) -> None:
        if self._parser is None or self._is_complete:
            return
        self._status = self._parser.get_status_code()
        self._has_head = self._status >= 200
        if not self._has_head:  # of an interim answer nothing counts
            self._has_length, self._is_chunked, self.promise = False, False, PROMISED_NOTHING

    def on_chunk_header(self) -> None:
        self._is_between_chunks = False

    def on_chunk_complete(self) -> None:
        self._is_between_chunks = True

    def on_body(self, body: bytes) -> None:
        if self._is_complete:
            return
        self._pieces.append(body)
        self._unframed_bytes = 0
        self._buffered_bytes += len(body)
        if self._buffered_bytes > BUFFERED_BYTES_MAX and not self._is_paused:
            self._pause()

    def on_message_complete(self) -> None:
        if self._parser is None or not self._has_head or self._is_complete:
            return
        self._is_complete = True
        self.answers += 1
        if self._is_chunked or not self._parser.should_keep_alive():
            self.promise = PROMISED_NOTHING

    # ── its own ──

    def _is_taken(self) -> bool:
        """One piece, which nobody has to be woken for: a turn of the loop is a good part of what a chunk costs."""
        if self.taker is None or self._waiter is None or self._waiter.done() or len(self._pieces) != 1:
            return False
        if not self.taker(self._pieces[0]):
            return False
        self._pieces.clear()
        self._buffered_bytes = 0
        self._deadline = self._loop.time() + self._timeout_seconds
        return True

    def _stray(self) -> None:
        """What is not of the answer: of use to nobody, and the framing cannot be trusted any more."""
        self._has_strays = True
        if not self._is_complete:
            self._fail(UpstreamFailed(BROKEN_OFF))
        self.close()

    def _fail(self, failure: PromptlyError) -> None:
        self._failure = self._failure or failure
        self.close()
        self._wake()

    def _happening(self, timeout_seconds: float) -> asyncio.Future[None]:
        """Done when something has happened. Raises what has ended the connection."""
        if self._failure is not None:
            raise self._failure
        self._timeout_seconds = timeout_seconds
        self._deadline = self._loop.time() + timeout_seconds
        if self._alarm is None or self._alarm.when() > self._deadline:
            self._set_alarm()
        waiter = self._waiter = self._loop.create_future()
        return waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _set_alarm(self) -> None:
        """One for many waits, none of which has to set and withdraw its own."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._waiter is None or self._waiter.done():  # nobody waits any more
            return
        if self._loop.time() < self._deadline:
            self._set_alarm()
        else:
            self._fail(UpstreamTimedOut(TOO_SLOW))

    def _pause(self) -> None:
        if self._transport is not None:
            self._is_paused = True
            with suppress(RuntimeError):  # closing
                self._transport.pause_reading()

    def _read_on(self) -> None:
        self._is_paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
