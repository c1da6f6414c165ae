"""Whatever has tokens generated for it: parse, admit, and answer in a stream or in one piece.

One endpoint differs from another only in how its body is read (domain/generation.py)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from services.gateway.domain.charge import Ending
from services.gateway.domain.generation import AnswerStream, CompletionLimits, GenerationRequest
from services.gateway.entrypoints import http, streaming
from services.gateway.use_cases.admit import Admission
from services.gateway.use_cases.answer_whole import WholeAnswers
from services.gateway.use_cases.caller import Caller
from services.gateway.use_cases.open_request import OpenRequest, OpenRequests
from services.gateway.use_cases.outage import out_of_service
from services.gateway.use_cases.relay_stream import StreamRelay
from services.gateway.use_cases.settle import Settlements
from services.gateway.use_cases.tasks import until_either
from services.gateway.use_cases.watch_backlog import Backlog
from shared import faults
from shared.contracts.gateway import Outcome
from shared.errors import PromptlyError

Parse = Callable[[bytes, CompletionLimits], GenerationRequest]
"""Raises InvalidRequest (or a subclass) naming the first field at fault."""
PARSED_AT_ONCE_BYTES_MAX = 128 << 10
"""Takes about 1 ms, and 5 if somebody wrote it to be slow."""
LARGE_BODIES = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-bodies")


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        await self._path.admission.claimed_key(caller)  # without a key no body is read
        asked = await self._read(scope, receive, caller)
        if isinstance(asked, PromptlyError):
            await self._path.admission.authenticate(caller)  # a bad key is told before a bad body
            raise asked
        client = http.client_of(scope)
        client.listen()
        gone = client.gone
        request = await self._admit(caller, asked, gone)
        self._refuse_when_full(request)
        if gone.done():
            caller.outcome = Outcome.CLIENT_DISCONNECTED
            self._path.settlements.end(request, Ending.NOT_ANSWERED)
        elif request.stream is not None:
            headers = streaming.HEADERS + _headers(request, caller)
            listener = streaming.Listener(send, headers, request.stream, client.chunks_of(scope))
            await self._stream(request, request.stream, listener, caller, gone)
        else:
            await self._whole(request, send, caller, gone)

    async def _read(
        self, scope: Scope, receive: Receive, caller: Caller
    ) -> GenerationRequest | PromptlyError:
        try:
            http.refuse_packed(scope)
            body = await http.read_body(scope, receive, self._known(caller), PARSED_AT_ONCE_BYTES_MAX)
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

    async def _admit(
        self, caller: Caller, asked: GenerationRequest, gone: asyncio.Future[None]
    ) -> OpenRequest:
        path, name = self._path, self._name
        key = await path.admission.claimed_key(caller)
        hold = await path.admission.admit(caller, asked, name, still_wanted=lambda: not gone.done())
        request = OpenRequest(caller.request_id, key.digest, name, asked, hold, stopwatch=caller.stopwatch)
        path.open_requests.add(request)
        faults.reached("admitted")
        return request

    async def _stream(
        self,
        request: OpenRequest,
        stream: AnswerStream,
        listener: streaming.Listener,
        caller: Caller,
        gone: asyncio.Future[None],
    ) -> None:
        relay = self._path.settlements.run(request, self._path.relay.relay(request, stream, listener))
        try:
            await streaming.until_done(relay, gone, request, listener)
        except asyncio.CancelledError:  # this process is stopping
            request.cut()
        if gone.done() or listener.is_too_slow:
            request.leave()
        await asyncio.wait({relay})
        caller.outcome = streaming.outcome(request, relay, listener)
        if relay.cancelled():
            await streaming.say_farewell(request, listener)
            return
        await streaming.end(listener, relay.exception())

    async def _whole(
        self, request: OpenRequest, send: Send, caller: Caller, gone: asyncio.Future[None]
    ) -> None:
        answering = self._path.settlements.run(request, self._answer(request, send, caller))
        try:
            await until_either(answering, gone)
        except asyncio.CancelledError:  # this process is stopping
            if not request.is_generating:
                answering.cancel()
                raise out_of_service("stopping") from None
        if gone.done():
            caller.outcome = Outcome.CLIENT_DISCONNECTED
        if gone.done() and not request.is_generating:
            answering.cancel()
            return
        await (answering if answering.done() else asyncio.shield(answering))

    async def _answer(self, request: OpenRequest, send: Send, caller: Caller) -> None:
        """Sent from here: the task that waits for this one would do so some turns of the loop later, each of them as
        long as all that others do meanwhile."""
        answer = await self._path.whole_answers.answer(request)
        await http.send_json(send, 200, answer.body, _headers(request, caller))
        request.stopwatch.answered("whole")


def _headers(request: OpenRequest, caller: Caller) -> http.Headers:
    headers = http.rate_headers(caller) + http.ignored_fields_header(request.asked.ignored_fields)
    granted = request.hold.tokens_completion
    if granted < request.asked.tokens_completion:
        headers.append((b"x-tokens-granted", str(granted).encode()))
    return headers
