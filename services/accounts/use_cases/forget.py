"""Deletes what nobody needs any more: ended sessions and links, and in the outbox the addresses of erased accounts.

An outbox keeps what it published for a day, so that a broker that lost everything can be told again; events that
name an erased person leave it as soon as they are published. Those of who was erased longer ago than that are gone.
"""

import asyncio
from dataclasses import dataclass

import structlog

from services.accounts.adapters import accounts_postgres as accounts
from services.accounts.adapters import recoveries_postgres as recoveries
from services.accounts.adapters import sessions_postgres as sessions
from shared.background import end_if_stopping
from shared.clock import utc_now
from shared.outbox import PUBLISHED_KEPT
from shared.postgres import POSTGRES_ERRORS, Pool

INTERVAL_SECONDS = 3.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Forget:
    """Any number of replicas may run it at once."""

    pool: Pool

    async def run(self) -> None:
        """For ever, through outages of PostgreSQL."""
        while True:
            try:
                await self()
            except POSTGRES_ERRORS as error:
                log.warning("forgetting_paused", reason=type(error).__name__)
                end_if_stopping()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def __call__(self) -> None:
        now = utc_now()
        await accounts.forget_events_of_erased(self.pool, since=now - PUBLISHED_KEPT)
        await sessions.forget_ended(self.pool, now=now)
        await recoveries.forget_ended(self.pool, now=now)
