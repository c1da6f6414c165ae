"""The one way a request's hold ends: charged or released, once, whatever became of client and upstream.

It runs in a task of its own that nothing cancels. A charge is kept until the ledger has it; when Redis does not
take it, the record goes straight to the bus (metering counts a request once) and is settled when Redis is back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog

from services.gateway.domain.charge import Charge, ChargePrompt, Ending, Nothing, who_pays, within_hold
from services.gateway.domain.counts import Counts
from services.gateway.use_cases import measure
from services.gateway.use_cases.open_request import OpenRequest, OpenRequests
from services.gateway.use_cases.outage import REDIS_ERRORS
from services.gateway.use_cases.tasks import Tasks
from services.gateway.use_cases.unconfirmed import Unconfirmed
from services.gateway.use_cases.upstream import Upstream
from shared import faults
from shared.admission.desk import AdmissionDesk
from shared.contracts.gateway import REVISION_SERVED, Outcome, UsageRecord
from shared.errors import PromptlyError
from shared.ids import AccountId, RequestId
from shared.tracing import spans

RETRY_DELAYS_SECONDS = (0.5, 1, 2, 4, 8, 15, 30)
"""Of a release: a minute; then the hold goes stale and metering settles it from its last checkpoint."""
UNANSWERED_MAX = 10_000
"""Releases that wait for Redis; without it nobody is limited. A hold beyond that is swept, at no charge."""
DIRECT_TIMEOUT_SECONDS = 3.0
"""A whole answer waits for it, so it is short; the record is not lost with it."""

OUTCOMES = {
    Ending.COMPLETED: Outcome.COMPLETED,
    Ending.CLIENT_LEFT: Outcome.CLIENT_DISCONNECTED,
    Ending.UPSTREAM_BROKE: Outcome.UPSTREAM_FAILED,
    Ending.CUT: Outcome.LOST,
    Ending.REVOKED: Outcome.REVOKED,
}
PublishDirectly = Callable[[UsageRecord], Coroutine[None, None, None]]
"""Returns once the broker has it, however long that takes."""
Clock = Callable[[], datetime]
T = TypeVar("T")
log = structlog.get_logger()


class Settlements:
    def __init__(
        self,
        desk: AdmissionDesk,
        upstream: Upstream,
        open_requests: OpenRequests,
        unconfirmed: Unconfirmed,
        publish_directly: PublishDirectly,
        tasks: Tasks,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._upstream = upstream
        self._open_requests = open_requests
        self._unconfirmed = unconfirmed
        self._publish_directly = publish_directly
        self._tasks = tasks
        self._clock = clock
        self._unanswered = 0

    def run(self, request: OpenRequest, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """The task of an open request. `work` settles it, whichever way it ends; one that is cancelled before
        its first step cannot, so that its end is settled here."""
        task = self._tasks.start(work)
        task.add_done_callback(lambda _: self.end(request, Ending.NOT_ANSWERED))
        request.work = task
        return task

    def end(self, request: OpenRequest, ending: Ending) -> asyncio.Task[None]:
        """Done when the charge is recorded in Redis, or Redis is down and the bus has been tried.

        The first ending counts; whoever comes later waits for the same settlement.
        """
        if request.settlement is None:
            request.settlement = self._tasks.start(self._end(request, ending))
        return request.settlement

    def release_unanswered(self, account_id: AccountId, request_id: RequestId) -> None:
        """The desk's reply was lost: should there be a hold, it ends."""
        if self._unanswered >= UNANSWERED_MAX:
            log.warning("hold_left_to_the_sweeper", reason="too_many_unanswered")
            return
        self._unanswered += 1
        self._tasks.start(self._release_unanswered(account_id, request_id))

    async def _release_unanswered(self, account_id: AccountId, request_id: RequestId) -> None:
        try:
            await self._until_done(lambda: self._desk.release(account_id, request_id))
        finally:
            self._unanswered -= 1

    async def _end(self, request: OpenRequest, ending: Ending) -> None:
        faults.reached("answered")
        try:
            match who_pays(ending, request.counts()):
                case Nothing():
                    await self._release(request)
                case Charge(counts):
                    await self._charge(request, counts, ending)
                case ChargePrompt():
                    await self._charge(request, await self._count_prompt(request), ending)
        finally:
            self._open_requests.remove(request)

    async def _release(self, request: OpenRequest) -> None:
        await self._until_done(lambda: self._desk.release(request.hold.account_id, request.request_id))

    async def _count_prompt(self, request: OpenRequest) -> Counts:
        """Zero when the upstream cannot say, or refused it as too long: what cannot be shown to have been generated is
        not charged."""
        try:
            prompt = await self._upstream.count_prompt(request.asked.count_call())
            prompt = prompt if await self._fits(prompt) else 0
        except PromptlyError as error:
            log.warning("prompt_not_counted", request_id=request.request_id, reason=error.code)
            prompt = 0
        return Counts(prompt, 0, 0, estimated=True)

    async def _fits(self, prompt: int) -> bool:
        """llama-server refuses a prompt that leaves no room for an answer; who left did not wait for that."""
        contexts = [model.context_tokens for model in await self._upstream.list_models()]
        return any(context is None or prompt < context for context in contexts)

    async def _charge(self, request: OpenRequest, counts: Counts, ending: Ending) -> None:
        record = self._record(request, counts, ending)
        written = self._unconfirmed.keep(record)
        measure.count_tokens(record)
        with spans.step("settle", request.request_id) as span:
            span.note(outcome=record.outcome, tokens=record.tokens)
            is_settled = await self._settles(request, record, written)
        if is_settled:
            return
        self._unconfirmed.settle_again(record)
        publishing = self._tasks.start(self._publish_directly(record))
        done, _ = await asyncio.wait({publishing}, timeout=DIRECT_TIMEOUT_SECONDS)
        if not done:
            log.error("usage_only_in_memory", request_id=request.request_id)

    async def _settles(self, request: OpenRequest, record: UsageRecord, written: bytes) -> bool:
        hold = request.hold
        try:
            await self._desk.settle(hold.account_id, record, tokens_held=hold.tokens_held, written=written)
        except REDIS_ERRORS as error:
            measure.REDIS_ERRORS.labels("settle").inc()
            log.warning("not_settled", request_id=request.request_id, reason=type(error).__name__)
            return False
        faults.reached("settled")
        return True

    async def _until_done(self, work: Callable[[], Awaitable[object]]) -> None:
        for delay_seconds in (*RETRY_DELAYS_SECONDS, None):
            try:
                await work()
            except REDIS_ERRORS as error:
                if delay_seconds is None:
                    log.error("hold_left_to_the_sweeper", reason=type(error).__name__)
                    return
                await asyncio.sleep(delay_seconds)
            else:
                return

    def _record(self, request: OpenRequest, counts: Counts, ending: Ending) -> UsageRecord:
        prompt, completion = within_hold(counts, request.hold.tokens_held)
        above = counts.prompt + counts.completion - prompt - completion
        if above:
            measure.TOKENS_ABOVE_HOLD.inc(above)
            log.error("tokens_above_hold", request_id=request.request_id, tokens=above)
        return UsageRecord(
            request_id=UUID(request.request_id),
            account_id=request.hold.account_id,
            key_id=request.hold.key_id,
            endpoint=request.endpoint,
            model=request.model,
            tokens_prompt=prompt,
            tokens_completion=completion,
            tokens_cached=min(counts.cached, prompt),
            outcome=OUTCOMES[ending],
            estimated=counts.estimated,
            revision=REVISION_SERVED,
            admitted_at=request.hold.admitted_at,
            ended_at=self._clock(),
        )
