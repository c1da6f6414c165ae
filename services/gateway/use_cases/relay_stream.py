"""Streams one answer: bytes pass as they come, whole events at a time, metered on the way."""

import asyncio
from functools import partial
from typing import Protocol

from services.gateway.domain.charge import Ending
from services.gateway.domain.errors import UpstreamFailed
from services.gateway.domain.generation import BROKEN_OFF, AnswerStream
from services.gateway.domain.refusals import key_revoked
from services.gateway.use_cases.lease import Lease
from services.gateway.use_cases.open_request import OpenRequest
from services.gateway.use_cases.refuse import raise_unless_ok
from services.gateway.use_cases.settle import Settlements
from services.gateway.use_cases.slots import UpstreamSlots
from services.gateway.use_cases.upstream import Upstream, UpstreamReply


class Listener(Protocol):
    """The client's end of the stream. `send` returns when it can take more: a slow reader slows its upstream. While it
    `is_ready`, what it is to `pass_on` goes out at once."""

    async def begin(self) -> None:
        """Commits to 200."""
        ...

    @property
    def is_ready(self) -> bool: ...

    def pass_on(self, data: bytes) -> None: ...

    async def send(self, data: bytes) -> None: ...


class StreamRelay:
    def __init__(
        self, upstream: Upstream, slots: UpstreamSlots, settlements: Settlements, lease: Lease
    ) -> None:
        self._upstream = upstream
        self._slots = slots
        self._lease = lease
        self._settlements = settlements

    async def relay(self, request: OpenRequest, stream: AnswerStream, listener: Listener) -> None:
        """Until the answer's end. Cancel it when the client has left. Each way out settles, once.

        Raises KeyRefused when it was cancelled because its key was revoked."""
        ending, call = Ending.NOT_ANSWERED, request.upstream_call()
        try:
            request.stopwatch.not_ours()
            async with (
                self._slots.slot(request.hold.account_id),
                self._upstream.open_answer(call, request) as reply,
            ):
                request.stopwatch.ours()
                await raise_unless_ok(request, call, reply)
                ending = Ending.UPSTREAM_BROKE
                await listener.begin()
                await self._pass_on(request, stream, reply, listener)
                ending = Ending.COMPLETED
        except asyncio.CancelledError:
            ending = _cancelled(request, stream, ending)
            if request.was_revoked and ending is not Ending.COMPLETED:
                raise key_revoked() from None
            raise
        finally:
            self._settlements.end(request, ending)

    async def _pass_on(
        self, request: OpenRequest, stream: AnswerStream, reply: UpstreamReply, listener: Listener
    ) -> None:
        reply.offer_to(partial(self._takes, stream, listener))
        while data := await reply.read_piece():
            if not self._lease.is_fresh:
                await self._lease.until_fresh()
            if passed := stream.feed(data):
                await listener.send(passed)
                if not request.stopwatch.has_answered:
                    request.stopwatch.answered("stream")
            if stream.failure:
                raise stream.failure
            if stream.is_done:
                return
        raise UpstreamFailed(BROKEN_OFF)

    def _takes(self, stream: AnswerStream, listener: Listener, data: bytes) -> bool:
        """The usual chunk, of the middle of an answer, to a client that reads."""
        if not (listener.is_ready and self._lease.is_fresh):
            return False
        passed = stream.pass_plain(data)
        if passed is None:
            return False
        listener.pass_on(passed)
        return True


def _cancelled(request: OpenRequest, stream: AnswerStream, ending: Ending) -> Ending:
    if stream.is_done:
        return Ending.COMPLETED
    if not request.is_generating:
        return ending
    return request.ending_when_cancelled
