"""Several model servers as one: the one with most free slots first, another when that one fails.

A request moves on only before the first byte of its answer (domain/moving_on.py), and after the connection to
the first has been closed. Members are known by their index; an address appears nowhere.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import NoReturn, Self, TypeVar

import structlog

from services.gateway.adapters.upstream_http import HttpUpstream
from services.gateway.domain.errors import Overloaded, UpstreamUnreachable
from services.gateway.domain.generation import UpstreamCall
from services.gateway.domain.moving_on import may_move_on, shows_down
from services.gateway.domain.upstream_refusals import refusal_of
from services.gateway.use_cases.slots import RETRY_AFTER_SECONDS, TOO_LONG, UpstreamSlots
from services.gateway.use_cases.upstream import Model, UpstreamReply, Work
from shared.errors import PromptlyError

HEALTH_INTERVAL_SECONDS = 2.0
MOVE_TIMEOUT_SECONDS = 30.0
"""For a slot at another member, which the queue does not reserve for those that move."""

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Member:
    """One model server. `is_up` as last seen; `running` generations of this process; `failures` in a row."""

    index: int
    upstream: HttpUpstream
    slots: int
    is_up: bool = False
    running: int = 0
    failures: int = 0

    @property
    def free(self) -> int:
        return self.slots - self.running


class PooledUpstream:
    """`slots` is told how many may run: those of the members that are up. While none is, all are tried: what
    is known may be old, and a refused connection costs nothing."""

    def __init__(self, upstreams: Sequence[HttpUpstream], slots: UpstreamSlots, *, slots_each: int) -> None:
        self.members = [Member(index, upstream, slots_each) for index, upstream in enumerate(upstreams)]
        self._slots = slots
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for member in self.members:
            await member.upstream.__aexit__()

    async def run(self) -> None:
        while True:
            await asyncio.gather(*(self._check(member) for member in self.members))
            await asyncio.sleep(HEALTH_INTERVAL_SECONDS)

    def open_answer(self, call: UpstreamCall, work: Work) -> "PooledAnswer":
        return PooledAnswer(self, call, work)

    async def count_prompt(self, call: UpstreamCall) -> int:
        return await self._of_any(lambda upstream: upstream.count_prompt(call))

    async def list_models(self) -> list[Model]:
        return await self._of_any(lambda upstream: upstream.list_models())

    async def _of_any(self, ask: Callable[[HttpUpstream], Awaitable[T]]) -> T:
        failures: list[PromptlyError] = []
        for member in sorted(self.members, key=lambda member: (not member.is_up, -member.free)):
            try:
                return await ask(member.upstream)
            except PromptlyError as failure:
                failures.append(failure)
                if isinstance(failure, UpstreamUnreachable):
                    self.see(member, failure)
            self.go_on(member, failures)
        raise failures[-1]

    def go_on(self, member: Member, failures: list[PromptlyError]) -> None:
        """To the next member, or raise the last failure."""
        if len(failures) == len(self.members) or not may_move_on(failures):
            raise failures[-1]
        log.warning("moved_to_another_upstream", upstream=member.index, reason=failures[-1].code)

    async def room(self, tried: Collection[Member]) -> Member:
        """The freest member that has not been tried, as soon as it has a slot."""
        if (best := self._freest(tried)).free > 0:
            return best
        try:
            async with asyncio.timeout(MOVE_TIMEOUT_SECONDS):
                while (best := self._freest(tried)).free <= 0:
                    await self._changed.wait()
                return best
        except TimeoutError as error:
            raise Overloaded(TOO_LONG, retry_after_seconds=RETRY_AFTER_SECONDS) from error

    def _freest(self, tried: Collection[Member]) -> Member:
        untried = [member for member in self.members if member not in tried]
        return max(untried, key=lambda member: (member.is_up, member.free))

    def leave(self, member: Member) -> None:
        member.running -= 1
        self._tell_those_who_wait()

    async def _check(self, member: Member) -> None:
        self._mark(member, is_up=await member.upstream.is_healthy())

    def see(self, member: Member, failure: PromptlyError) -> None:
        member.failures += not isinstance(failure, Overloaded)
        if shows_down(failure, member.failures):
            self._mark(member, is_up=False)

    def _mark(self, member: Member, *, is_up: bool) -> None:
        if member.is_up is is_up:
            return
        member.is_up = is_up
        log.warning("upstream_up" if is_up else "upstream_down", upstream=member.index)
        serving = [one for one in self.members if one.is_up] or self.members
        self._slots.resize(sum(one.slots for one in serving))
        self._tell_those_who_wait()

    def _tell_those_who_wait(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class PooledAnswer:
    """`async with` it: inside, a member has begun to answer. Each failure before that may move it to another."""

    __slots__ = ("_answer", "_call", "_member", "_pool", "_work")

    def __init__(self, pool: PooledUpstream, call: UpstreamCall, work: Work) -> None:
        self._pool = pool
        self._call = call
        self._work = work
        self._member: Member | None = None
        self._answer: AbstractAsyncContextManager[UpstreamReply] | None = None

    async def __aenter__(self) -> UpstreamReply:
        failures: list[PromptlyError] = []
        tried: list[Member] = []
        while True:
            member = await self._pool.room(tried)
            tried.append(member)
            try:
                return await self._ask(member)
            except PromptlyError as failure:
                self._work.stop_generating()
                failures.append(failure)
            self._pool.go_on(member, failures)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        answer, self._answer = self._answer, None
        member, self._member = self._member, None
        try:
            if answer is not None:
                await answer.__aexit__(kind, error, trace)
        finally:
            if member is not None:
                self._pool.leave(member)

    async def _ask(self, member: Member) -> UpstreamReply:
        """Leaves the member again when it fails."""
        member.running += 1
        self._member = member
        try:
            return await self._begin(member)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise

    async def _begin(self, member: Member) -> UpstreamReply:
        answer = member.upstream.open_answer(self._call, self._work)
        try:
            reply = await answer.__aenter__()
        except PromptlyError as failure:
            self._pool.see(member, failure)
            raise
        self._answer = answer
        if reply.status >= 500:
            await self._refuse(member, reply)
        member.failures = 0
        return reply

    async def _refuse(self, member: Member, reply: UpstreamReply) -> NoReturn:
        self._work.stop_generating()
        refusal = refusal_of(reply.status, await reply.read(), self._call)
        if reply.status not in (500, 501):  # with these it still works: it says so itself
            self._pool.see(member, refusal)
        raise refusal
