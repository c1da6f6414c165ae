"""Keeps the account of batches: what gateways say they have published, and what of it is posted.

A batch that stays missing is told once: its usage is in a queue that nobody reads, or parked. Until it is
posted no account that Redis loses opens again; after a day it is given up, and told again.
"""

from datetime import datetime, timedelta

import structlog
from redis.asyncio import Redis

from services.metering.adapters import batches_postgres
from shared.admission.sequences import read_sequences
from shared.postgres import Pool

REPORT_AFTER = timedelta(seconds=60)
GIVE_UP_AFTER = timedelta(hours=24)
FORGET_AFTER = timedelta(hours=24)
"""As long as the settlement streams can be replayed."""

log = structlog.get_logger()


async def follow_batches(pool: Pool, redis: Redis, now: datetime) -> None:
    sequences = await read_sequences(redis)
    async with pool.acquire() as connection, connection.transaction():
        await batches_postgres.fold_posted(connection, now)
        await batches_postgres.announce(connection, sequences, now)
        await batches_postgres.note_gaps(connection, now)
        missing = await batches_postgres.take_gaps_to_report(connection, now, after=REPORT_AFTER)
        given_up = await batches_postgres.give_up_gaps(connection, now, after=GIVE_UP_AFTER)
        await batches_postgres.forget_gateways(connection, now, unseen_for=FORGET_AFTER)
    for gap in missing:
        log.error("batches_missing", gateway=gap.gateway, first=gap.gap_from, last=gap.gap_through)
    for gap in given_up:
        log.error("batches_given_up", gateway=gap.gateway, first=gap.gap_from, last=gap.gap_through)
