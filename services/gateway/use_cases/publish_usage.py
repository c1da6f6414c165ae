"""Carries settlements from Redis to the bus: at least once, in numbered batches, acknowledged after confirm.

A batch keeps its number until the broker has confirmed it, so that (gateway, sequence) has no gaps. While
RabbitMQ is down everything stays in the settlement streams; what Redis could not take waits here in memory.
"""

import asyncio
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import structlog

from services.gateway.use_cases import measure
from services.gateway.use_cases.outage import REDIS_ERRORS
from services.gateway.use_cases.settle import Clock
from shared import faults
from shared.admission.entries import Entry
from shared.admission.stream import ENTRIES_PER_SHARD_MAX, IDLE_MS, SettlementStream
from shared.bus.publisher import Publisher
from shared.contracts.envelope import Envelope, wrap
from shared.contracts.gateway import RECORDS_PER_EVENT_MAX, UsageRecord, UsageRecorded
from shared.tracing import spans

RECLAIM_INTERVAL_SECONDS = 5.0
RETRY_SECONDS = 0.5
GATHER_SECONDS = 0.05
"""What settles meanwhile goes in one message: a batch costs a gateway about as much as ten requests."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Message:
    """A batch under its number, which it keeps however often it is sent."""

    sequence: int
    envelope: Envelope
    records: int
    is_confirmed: bool = False


class UsageBus:
    """Publishes records under this gateway's name and running number. `sequence_confirmed`: the broker has it and all
    before it, 0 before the first.

    One sending at a time. What is handed in meanwhile gathers for the next, where it gets its number and goes out beside
    whatever the broker has not confirmed: no number is ahead of one that was never sent, and no record waits for another's confirm.
    """

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock
        self._turn = asyncio.Lock()
        self._gathered: list[UsageRecord] = []
        self._sent: deque[_Message] = deque()
        """In the order of their numbers, from the first that is not confirmed."""
        self._sequence = 0
        self._records_taken = 0
        self._records_confirmed = 0
        self.sequence_confirmed = 0
        self.gateway = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"

    async def publish(self, records: Sequence[UsageRecord]) -> None:
        """Returns once all are confirmed, and all that came before them, however long that takes."""
        with spans.batch("publish usage", (str(record.request_id) for record in records)) as span:
            span.note(records=len(records))
            await self._publish(records)

    async def publish_one(self, record: UsageRecord) -> None:
        await self.publish([record])

    async def _publish(self, records: Sequence[UsageRecord]) -> None:
        self._gathered += records
        self._records_taken += len(records)
        last = self._records_taken
        async with self._turn:
            while self._records_confirmed < last:
                await self._send()

    async def _send(self) -> None:
        """Once, and in the order of their numbers, all that is not confirmed."""
        gathered, self._gathered = self._gathered, []
        self._sent.extend(self._number(batch) for batch in _batches(gathered))
        waiting = {message.envelope.id: message for message in self._sent if not message.is_confirmed}
        for envelope_id in await self._publisher.publish([message.envelope for message in waiting.values()]):
            waiting.pop(envelope_id).is_confirmed = True
        self._forget_confirmed()
        if waiting:
            measure.NOT_PUBLISHED.inc(len(waiting))
            await asyncio.sleep(RETRY_SECONDS)

    def _number(self, records: tuple[UsageRecord, ...]) -> _Message:
        self._sequence += 1
        event = UsageRecorded(gateway=self.gateway, sequence=self._sequence, records=records)
        envelope = wrap(event, source="gateway", subject=None, now=self._clock())
        return _Message(self._sequence, envelope, len(records))

    def _forget_confirmed(self) -> None:
        """Up to the first that is not: one behind it is known to the ledger as published only after it."""
        while self._sent and self._sent[0].is_confirmed:
            message = self._sent.popleft()
            self.sequence_confirmed = message.sequence
            self._records_confirmed += message.records


class UsageRelay:
    """The loop from the settlement streams to the bus."""

    def __init__(self, stream: SettlementStream, bus: UsageBus, *, forgotten_after_ms: int = IDLE_MS) -> None:
        self._stream = stream
        self._bus = bus
        self._forgotten_after_ms = forgotten_after_ms
        self._reclaim_at = 0.0
        self._is_quiet = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                if await self.publish_next() < ENTRIES_PER_SHARD_MAX:  # else it may be far behind
                    await asyncio.sleep(GATHER_SECONDS)
            except REDIS_ERRORS as error:
                measure.REDIS_ERRORS.labels("read").inc()
                log.warning("settlements_unreadable", reason=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def publish_next(self) -> int:
        """What is new, or was read by somebody who never acknowledged. How many were new."""
        await self._publish(await self._forgotten())
        entries = await self._stream.read_batch(self._bus.gateway)
        await self._publish(entries)
        if not entries:
            self._is_quiet.set()
        return len(entries)

    async def flush(self, timeout_seconds: float) -> None:
        """Waits for the loop to find nothing more to publish."""
        self._is_quiet.clear()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._is_quiet.wait()
        except TimeoutError:
            log.warning("usage_left_in_redis")

    async def _forgotten(self) -> list[Entry]:
        if time.monotonic() < self._reclaim_at:
            return []
        self._reclaim_at = time.monotonic() + RECLAIM_INTERVAL_SECONDS
        return await self._stream.reclaim(self._bus.gateway, idle_ms=self._forgotten_after_ms)

    async def _publish(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        await self._bus.publish([entry.record for entry in entries])
        faults.reached("published")
        await self._stream.acknowledge(entry.id for entry in entries)
        log.debug("usage_published", records=len(entries))


def _batches(records: Sequence[UsageRecord]) -> Iterator[tuple[UsageRecord, ...]]:
    for start in range(0, len(records), RECORDS_PER_EVENT_MAX):
        yield tuple(records[start : start + RECORDS_PER_EVENT_MAX])
