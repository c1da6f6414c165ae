"""Watches how many settlements the bus has not confirmed: beyond a bound, no new requests."""

import asyncio
import time

import structlog

from services.gateway.domain.errors import Overloaded
from services.gateway.use_cases import measure
from services.gateway.use_cases.outage import REDIS_ERRORS, out_of_service
from shared.admission.stream import SettlementStream

UNCONFIRMED_MAX = 200_000
"""About 100 MB in Redis, beside the confirmed entries: those of a day, and at most stream.KEEP_BYTES."""
INTERVAL_SECONDS = 1.0
TRIM_EVERY = 10
"""Rounds: what comes in between may exceed the bound of bytes."""

log = structlog.get_logger()


class Backlog:
    def __init__(self, stream: SettlementStream) -> None:
        self._stream = stream
        self._unconfirmed_max = UNCONFIRMED_MAX
        self.is_full = False
        self.unconfirmed = 0
        self._oldest_at_ms: int | None = None

    def refusal(self) -> Overloaded | None:
        return out_of_service("settlement_stream_full") if self.is_full else None

    @property
    def oldest_age_seconds(self) -> float:
        """By this machine's clock; the entry's is that of Redis."""
        return max(time.time() - self._oldest_at_ms / 1000, 0) if self._oldest_at_ms else 0

    async def run(self) -> None:
        rounds = 0
        while True:
            try:
                await self.look()
                if rounds % TRIM_EVERY == 0:
                    await self._stream.trim()
            except REDIS_ERRORS as error:
                measure.REDIS_ERRORS.labels("watch").inc()
                log.warning("backlog_unknown", reason=type(error).__name__)
            rounds += 1
            await asyncio.sleep(INTERVAL_SECONDS)

    async def look(self) -> None:
        count = await self._stream.unconfirmed_count()
        if count > self._unconfirmed_max and not self.is_full:
            log.error("settlement_stream_full", unconfirmed=count)
        self.unconfirmed = count
        self._oldest_at_ms = await self._stream.oldest_unconfirmed_ms() if count else None
        self.is_full = count > self._unconfirmed_max
