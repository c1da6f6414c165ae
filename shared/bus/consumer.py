"""The consumer loop: take a message, let the service handle it, then acknowledge.

`handle` commits its effect (with `inbox.first_time` in the same transaction) and returns; only then is the
message acknowledged, so that a crash in between repeats the message and the inbox absorbs it. A message
that failed is acknowledged once its copy is confirmed where `failures.judge` says; so is what `handle` left of
one, part by part. When a dependency is down, consuming stops: closing the channel returns all messages, and after a growing pause a new
subscription takes them again. Nothing is ever rejected or requeued one by one, which would spin.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import assert_never

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from pydantic import ValidationError

from shared import faults
from shared.bus import measure
from shared.bus.backoff import Backoff
from shared.bus.connection import BROKER_ERRORS, Connection, close_channel, settled
from shared.bus.failures import Done, Leftover, Park, Partly, Pause, Retry, Verdict, judge
from shared.bus.publisher import Headers, Publisher
from shared.bus.subscription import Ending, Subscription
from shared.bus.topology import declare
from shared.clock import utc_now
from shared.contracts.envelope import Envelope
from shared.errors import Unavailable
from shared.logging import bind_ids
from shared.tracing import spans

PREFETCH = 20
"""Messages handled at once per process: twice the pool of database connections keeps it busy."""
PAUSE_FIRST_SECONDS = 0.25
PAUSE_MAX_SECONDS = 10.0
ATTEMPTS_HEADER = "x-attempts"
REASON_HEADER = "x-reason"
FIRST_FAILED_HEADER = "x-first-failed-at"

Handle = Callable[[Envelope], Awaitable[Sequence[Leftover] | None]]
"""Returns what it left of the message, if anything."""

log = structlog.get_logger()


class DependencyDown(Exception):
    """Consuming must pause; the message in hand goes back to the queue."""


class Consumer:
    """Consumes one service's work queue. `handle` raises Poison to park, NotYet to be asked again later."""

    def __init__(
        self,
        connection: Connection,
        publisher: Publisher,
        service: str,
        handle: Handle,
        *,
        prefetch: int = PREFETCH,
    ) -> None:
        self._connection = connection
        self._publisher = publisher
        self._topology = publisher.topology
        self._service = service
        self._handle = handle
        self._prefetch = prefetch
        self._backoff = Backoff(first_seconds=PAUSE_FIRST_SECONDS, max_seconds=PAUSE_MAX_SECONDS)

    async def run(self) -> None:
        """For ever, through every outage. Cancelled, it finishes or returns the messages in hand."""
        while True:
            if await self._consume() is Ending.INTERRUPTED:
                await self._backoff.wait()

    async def _consume(self) -> Ending:
        try:
            channel = await self._connection.open_channel()
            try:
                return await self._subscribe(channel)
            finally:
                await close_channel(channel)
        except (Unavailable, *BROKER_ERRORS) as error:
            log.warning("consumer_disconnected", consumer=self._service, reason=type(error).__name__)
            return Ending.INTERRUPTED

    async def _subscribe(self, channel: AbstractChannel) -> Ending:
        """Declares first, so that a deleted queue comes back with its consumer."""
        await settled(declare(channel, self._service, self._topology))
        subscription = Subscription(channel, self._topology.work_queue(self._service), self._process)
        return await subscription.run(prefetch=self._prefetch)

    async def _process(self, message: AbstractIncomingMessage) -> None:
        """One message, one log line, one span. Raises DependencyDown."""
        read = _read(message)
        heard = read if isinstance(read, Envelope) else None
        if heard is None:
            bind_ids(None, None)
        else:
            bind_ids(heard.requestid, heard.subject)
        with _span(heard) as span:
            verdict = await self._take(message, read)
            _tell_span(span, heard, verdict)
        if isinstance(verdict, Pause):
            raise DependencyDown(verdict.reason)
        self._backoff.reset()

    async def _take(self, message: AbstractIncomingMessage, read: Envelope | Exception) -> Verdict:
        started_seconds = time.monotonic()
        verdict = await self._attempt(message, read)
        try:
            await self._carry_out(verdict, message)
        except (Unavailable, *BROKER_ERRORS) as error:
            verdict = Pause(f"{type(error).__name__} after {type(verdict).__name__}")
        seconds = time.monotonic() - started_seconds
        _count(read, verdict, seconds)
        self._log(message, verdict, duration_seconds=seconds)
        return verdict

    async def _attempt(self, message: AbstractIncomingMessage, read: Envelope | Exception) -> Verdict:
        try:
            if isinstance(read, Exception):
                raise read
            leftovers = await self._handle(read)
        except Exception as error:  # noqa: BLE001  whatever a handler raises, the loop decides and lives on
            return self._judge(error, message)
        faults.reached("committed")
        return Partly(leftovers) if leftovers else Done()

    def _judge(self, error: Exception, message: AbstractIncomingMessage) -> Retry | Park | Pause:
        rungs = len(self._topology.retry_delays_seconds)
        return judge(error, attempts=_attempts_of(message), rungs=rungs)

    async def _carry_out(self, verdict: Verdict, message: AbstractIncomingMessage) -> None:
        match verdict:
            case Pause():
                return
            case Retry() | Park():
                await self._publisher.copy(
                    message, queue=self._queue_for(verdict), headers=_headers_of(message, verdict)
                )
            case Partly(leftovers):
                for leftover in leftovers:
                    await self._set_aside(leftover, message)
            case Done():
                pass
            case _:
                assert_never(verdict)
        await settled(message.ack())

    async def _set_aside(self, leftover: Leftover, message: AbstractIncomingMessage) -> None:
        """On the way that the whole message would go. Raises Unavailable."""
        verdict, envelope = self._judge(leftover.error, message), leftover.envelope
        if isinstance(verdict, Pause):
            raise Unavailable(verdict.reason)
        queue, headers = self._queue_for(verdict), _headers_of(message, verdict)
        await self._publisher.place(envelope, queue=queue, headers=headers)
        log.warning("message_part_left", event_id=str(envelope.id), queue=queue, reason=verdict.reason)

    def _queue_for(self, verdict: Retry | Park) -> str:
        match verdict:
            case Retry(rung):
                return self._topology.retry_queue(self._service, rung)
            case Park():
                return self._topology.parked_queue(self._service)

    def _log(self, message: AbstractIncomingMessage, verdict: Verdict, *, duration_seconds: float) -> None:
        write = log.info if isinstance(verdict, Done) else log.warning
        write(
            "message_processed",
            consumer=self._service,
            event_id=message.message_id,
            event_type=message.type,
            outcome=_outcome_of(verdict),
            reason=verdict.reason,
            attempts=_attempts_of(message) + 1,
            redelivered=message.redelivered,
            duration_ms=round(duration_seconds * 1000, 1),
        )


def _read(message: AbstractIncomingMessage) -> Envelope | ValidationError:
    try:
        return Envelope.from_json(message.body)
    except ValidationError as error:
        return error


def _count(read: Envelope | Exception, verdict: Verdict, seconds: float) -> None:
    kind = measure.type_of(read.type if isinstance(read, Envelope) else None)
    measure.PROCESSED.labels(kind, _outcome_of(verdict)).inc()
    measure.SECONDS.labels(kind).observe(seconds)
    if isinstance(read, Envelope) and isinstance(verdict, Done | Partly):
        measure.LAG.labels(kind).observe(max((utc_now() - read.time).total_seconds(), 0.0))


def _span(heard: Envelope | None) -> AbstractContextManager[spans.Span]:
    return spans.NOTHING if heard is None else spans.handling(heard.traceparent, heard.requestid)


def _tell_span(span: spans.Span, heard: Envelope | None, verdict: Verdict) -> None:
    if heard is None or not spans.is_on():
        return
    kind = measure.type_of(heard.type)
    span.rename(f"handle {kind}")
    span.note(event_type=kind, event_id=str(heard.id), request_id=heard.requestid, account_id=heard.subject)
    span.note(outcome=_outcome_of(verdict))


def _outcome_of(verdict: Verdict) -> str:
    return type(verdict).__name__.lower()


def _headers_of(message: AbstractIncomingMessage, verdict: Retry | Park) -> Headers:
    first = message.headers.get(FIRST_FAILED_HEADER)
    return {
        ATTEMPTS_HEADER: _attempts_of(message) + 1,
        REASON_HEADER: verdict.reason,
        FIRST_FAILED_HEADER: first if isinstance(first, str) else utc_now().isoformat(timespec="seconds"),
    }


def _attempts_of(message: AbstractIncomingMessage) -> int:
    """Failed attempts before this one; the header is ours, but it came over the wire."""
    attempts = message.headers.get(ATTEMPTS_HEADER)
    return attempts if isinstance(attempts, int) else 0
