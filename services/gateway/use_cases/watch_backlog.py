"""Watches how many settlements the bus has not confirmed: beyond a bound, no new requests."""

import asyncio

import structlog

from services.gateway.domain.errors import Overloaded
from services.gateway.use_cases.outage import REDIS_ERRORS, out_of_service
from shared.admission.stream import SettlementStream

UNCONFIRMED_MAX = 200_000
"""About 100 MB in Redis, with the day's confirmed entries beside it."""
INTERVAL_SECONDS = 1.0
TRIM_EVERY = 60

log = structlog.get_logger()


class Backlog:
    def __init__(self, stream: SettlementStream) -> None:
        self._stream = stream
        self.is_full = False

    def refusal(self) -> Overloaded | None:
        return out_of_service() if self.is_full else None

    async def run(self) -> None:
        rounds = 0
        while True:
            try:
                await self.look()
                if rounds % TRIM_EVERY == 0:
                    await self._stream.trim()
            except REDIS_ERRORS as error:
                log.warning("backlog_unknown", reason=type(error).__name__)
            rounds += 1
            await asyncio.sleep(INTERVAL_SECONDS)

    async def look(self) -> None:
        count = await self._stream.unconfirmed_count()
        if count > UNCONFIRMED_MAX and not self.is_full:
            log.error("settlement_stream_full", unconfirmed=count)
        self.is_full = count > UNCONFIRMED_MAX
