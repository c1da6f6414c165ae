"""Renews what would take too long to sum up when somebody asks: the order of accounts by balance and by usage, and
what all of them come to. On a small system every few seconds; on a large one it rests long enough not to weigh."""

import time
from datetime import timedelta

from services.metering.adapters.summaries_postgres import renew_days, renew_ranks, renew_sums, take_turn
from services.metering.use_cases.list_accounts import DAYS_OF_USAGE
from shared.clock import utc_now
from shared.postgres import Pool

REST_PER_WORK = 30
"""So it takes at most about 3 % of one of the database's cores."""


class Summaries:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rests_until = 0.0

    async def renew(self) -> None:
        """Does nothing while it rests, or while another replica is at it."""
        if time.monotonic() < self._rests_until:
            return
        began = time.monotonic()
        await self._renew()
        ended = time.monotonic()
        self._rests_until = ended + REST_PER_WORK * (ended - began)

    async def _renew(self) -> None:
        now = utc_now()
        since = now.date() - timedelta(days=DAYS_OF_USAGE - 1)
        async with self._pool.acquire() as connection, connection.transaction():
            if await take_turn(connection):
                await renew_ranks(connection, now, used_since=since)
                await renew_sums(connection)
                await renew_days(connection, since=since)
