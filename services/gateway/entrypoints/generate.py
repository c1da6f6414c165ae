"""Whatever has tokens generated for it: parse, admit, and answer in a stream or in one piece.

One endpoint differs from another only in how its body is read (domain/generation.py)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import structlog
from starlette.types import Receive, Scope, Send

from services.gateway.domain.charge import Ending
from services.gateway.domain.errors import UpstreamFailed
from services.gateway.domain.generation import AnswerStream, CompletionLimits, GenerationRequest
from services.gateway.entrypoints import http
from services.gateway.use_cases.admit import Admission
from services.gateway.use_cases.answer_whole import WholeAnswers
from services.gateway.use_cases.caller import Caller
from services.gateway.use_cases.open_request import OpenRequest, OpenRequests
from services.gateway.use_cases.outage import out_of_service
from services.gateway.use_cases.relay_stream import StreamRelay
from services.gateway.use_cases.settle import Settlements
from services.gateway.use_cases.watch_backlog import Backlog
from shared.contracts.gateway import Outcome
from shared.errors import PromptlyError
from shared.http.errors import body_of

Parse = Callable[[bytes, CompletionLimits], GenerationRequest]
"""Raises InvalidRequest (or a subclass) naming the first field at fault."""
STREAM_HEADERS: http.Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
CUT_OFF = "The answer was cut off on our side. What you received so far is charged."
PATIENCE_SECONDS = 10.0
"""Before that a waiting request can still be refused with a status of its own."""
FAREWELL_TIMEOUT_SECONDS = 1.0
"""For the error frame of a stream that we cut: its client may not be reading."""

PARSED_AT_ONCE_BYTES_MAX = 128 << 10
"""Takes about 1 ms, and 5 if somebody wrote it to be slow."""
LARGE_BODIES = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-bodies")

log = structlog.get_logger()


class Listener:
    """The client of one stream."""

    def __init__(self, send: Send, headers: http.Headers, stream: AnswerStream) -> None:
        self._send = send
        self._headers = headers
        self._stream = stream
        self.has_begun = False

    async def begin(self) -> None:
        if self.has_begun:
            return
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})

    async def send(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def end_with(self, error: PromptlyError) -> None:
        await self.send(self._stream.broken_by(body_of(error)["error"]))
        await self.end()


@dataclass(frozen=True, slots=True)
class Path:
    """What every request goes through, whatever it asks for."""

    admission: Admission
    relay: StreamRelay
    whole_answers: WholeAnswers
    open_requests: OpenRequests
    settlements: Settlements
    backlog: Backlog
    limits: CompletionLimits


class GenerationEndpoint:
    """Its route, `/v1/chat/completions`, is `chat.completions` in usage records."""

    def __init__(self, route: str, parse: Parse, path: Path) -> None:
        self._name = route.removeprefix("/v1/").replace("/", ".")
        self._parse = parse
        self._path = path

    async def __call__(self, _: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        await self._path.admission.claimed_key(
            caller
        )  # nobody's body is not even read, a stranger's not whole
        asked = await self._read(receive, caller)
        if isinstance(asked, PromptlyError):
            await self._path.admission.authenticate(caller)  # a bad key is told before a bad body
            raise asked
        gone = asyncio.get_running_loop().create_task(http.disconnected(receive))
        try:
            request = await self._admit(caller, asked, gone)
            self._refuse_when_full(request)
            if gone.done():
                caller.outcome = Outcome.CLIENT_DISCONNECTED
                self._path.settlements.end(request, Ending.NOT_ANSWERED)
            elif request.stream is not None:
                await self._stream(request, request.stream, send, caller, gone)
            else:
                await self._whole(request, send, caller, gone)
        finally:
            gone.cancel()

    async def _read(self, receive: Receive, caller: Caller) -> GenerationRequest | PromptlyError:
        try:
            body = await http.read_body(receive, self._known(caller), PARSED_AT_ONCE_BYTES_MAX)
            caller.stopwatch.ours()
            asked = await self._parsed(body)
        except PromptlyError as problem:
            return problem
        return asked

    def _known(self, caller: Caller) -> http.BeforeMore:
        """Raises when its key is not, or has no place left. The admission counts it no second time."""
        return lambda: self._path.admission.authenticate(caller)

    def _refuse_when_full(self, request: OpenRequest) -> None:
        """After the money was looked at: who has none hears that first."""
        if refusal := self._path.backlog.refusal():
            self._path.settlements.end(request, Ending.NOT_ANSWERED)
            raise refusal

    async def _parsed(self, body: bytes) -> GenerationRequest:
        """A large one beside the event loop, which would stand still meanwhile, and one after the other."""
        if len(body) <= PARSED_AT_ONCE_BYTES_MAX:
            return self._parse(body, self._path.limits)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(LARGE_BODIES, self._parse, body, self._path.limits)

    async def _admit(self, caller: Caller, asked: GenerationRequest, gone: asyncio.Task[None]) -> OpenRequest:
        path, name = self._path, self._name
        key = await path.admission.claimed_key(caller)
        hold = await path.admission.admit(caller, asked, name, still_wanted=lambda: not gone.done())
        request = OpenRequest(caller.request_id, key.digest, name, asked, hold, stopwatch=caller.stopwatch)
        path.open_requests.add(request)
        return request

    async def _stream(
        self,
        request: OpenRequest,
        stream: AnswerStream,
        send: Send,
        caller: Caller,
        gone: asyncio.Task[None],
    ) -> None:
        listener = Listener(send, STREAM_HEADERS + _headers(request, caller), stream)
        relay = self._path.settlements.run(request, self._path.relay.relay(request, stream, listener))
        try:
            await _until_done(relay, gone, request, listener)
        except asyncio.CancelledError:  # this process is stopping
            request.cut()
        if gone.done():
            relay.cancel()
        await asyncio.wait({relay})
        caller.outcome = _outcome(request, relay, listener)
        if relay.cancelled():
            await _say_farewell(request, listener)
            return
        await _end(listener, relay.exception())

    async def _whole(
        self, request: OpenRequest, send: Send, caller: Caller, gone: asyncio.Task[None]
    ) -> None:
        answering = self._path.settlements.run(request, self._path.whole_answers.answer(request))
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # this process is stopping
            if not request.is_generating:
                answering.cancel()
                raise out_of_service("stopping") from None
        if gone.done():
            caller.outcome = Outcome.CLIENT_DISCONNECTED
        if gone.done() and not request.is_generating:
            answering.cancel()
            return
        answer = await asyncio.shield(answering)
        await http.send_json(send, 200, answer.body, _headers(request, caller))
        request.stopwatch.answered("whole")


def _outcome(request: OpenRequest, relay: asyncio.Task[None], listener: Listener) -> Outcome | None:
    """None when it was refused before it began."""
    if relay.cancelled():
        return Outcome.LOST if request.was_cut else Outcome.CLIENT_DISCONNECTED
    if relay.exception() is None:
        return Outcome.COMPLETED
    if not listener.has_begun:
        return None
    return Outcome.REVOKED if request.was_revoked else Outcome.UPSTREAM_FAILED


async def _until_done(
    relay: asyncio.Task[None], gone: asyncio.Task[None], request: OpenRequest, listener: Listener
) -> None:
    """The answer's end or the client's. One that waits long for its turn hears that it does."""
    while True:
        done, _ = await asyncio.wait(
            {relay, gone}, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if done:
            return
        if not request.is_generating:
            await listener.begin()
            await listener.send(b": waiting\n\n")


async def _say_farewell(request: OpenRequest, listener: Listener) -> None:
    if not request.was_cut:
        return
    if not listener.has_begun:
        raise out_of_service("cut_before_it_began")
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL_TIMEOUT_SECONDS):
            await listener.end_with(UpstreamFailed(CUT_OFF))


async def _end(listener: Listener, error: BaseException | None) -> None:
    if error is None:
        await listener.end()
    elif not listener.has_begun:
        raise error
    elif isinstance(error, PromptlyError):
        await listener.end_with(error)
    else:
        log.error("stream_failed", exc_info=error)
        await listener.end_with(UpstreamFailed(CUT_OFF))


def _headers(request: OpenRequest, caller: Caller) -> http.Headers:
    headers = http.rate_headers(caller) + http.ignored_fields_header(request.asked.ignored_fields)
    granted = request.hold.tokens_completion
    if granted < request.asked.tokens_completion:
        headers.append((b"x-tokens-granted", str(granted).encode()))
    return headers
