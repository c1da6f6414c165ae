"""I3 and I4: settlements that Redis still keeps, and the model servers' own counters, against what is posted."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis

from services.metering.adapters import audit_progress_postgres as progress
from services.metering.adapters.audit_lists_postgres import list_posted_counts
from services.metering.adapters.upstream_counters_http import CountersUnavailable, read_counters
from services.metering.domain.audit.findings import Check, Finding, Report
from services.metering.domain.audit.generations import (
    IN_FLIGHT_SECONDS,
    Counters,
    Counts,
    Since,
    has_restarted,
    overcharged,
    unlike_settled,
)
from shared.admission.settled import Settlement, read_settled
from shared.admission.shards import SHARDS
from shared.postgres import Pool

COMPARED_FOR = timedelta(hours=24)
"""Then a new reading is taken to compare with, so that the sum over what was posted since stays short."""


async def audit_settlements(
    pool: Pool, redis: Redis, report: Report, *, in_flight_seconds: float = IN_FLIGHT_SECONDS
) -> None:
    """All that the streams keep: 24 hours, or as much as fits."""
    for shard in range(SHARDS):
        async for settlements in read_settled(redis, shard):
            posted = await list_posted_counts(pool, {each.record.request_id for each in settlements})
            report.found(_unlike(settlements, posted, in_flight_seconds))
            report.examined(Check.GENERATIONS, len(settlements))


def _unlike(
    settlements: Iterable[Settlement], posted: Mapping[UUID, Mapping[int, Counts]], in_flight_seconds: float
) -> Iterator[Finding]:
    for each in settlements:
        record = each.record
        is_in_flight = each.age_seconds < in_flight_seconds
        text = unlike_settled(record, posted.get(record.request_id, {}), is_in_flight=is_in_flight)
        if text is not None:
            subject = f"settlement {record.request_id} revision {record.revision}"
            yield Finding(Check.GENERATIONS, subject, text, record.account_id)


async def audit_counters(
    pool: Pool, report: Report, base_urls: tuple[str, ...], api_key: str, now: datetime
) -> None:
    """What is posted was read before the counters: those only grow."""
    readings = await progress.read_since(pool)
    posted = None if readings is None else await progress.sum_completed(pool, readings[0].read_at)
    try:
        counters = await read_counters(base_urls, api_key) if base_urls else None
    except CountersUnavailable:
        counters = None
    if counters is None:
        report.note(Check.COUNTERS, "the model server shows no counters")
        return
    if readings is None or posted is None or has_restarted(readings[1], counters):
        await progress.begin_readings(pool, Since(now, counters))
        report.note(Check.COUNTERS, "first reading since the model server started; the next audit compares")
        return
    await _compare(pool, report, readings[0], counters, posted, now)


async def _compare(
    pool: Pool, report: Report, since: Since, counters: Counters, posted: Counters, now: datetime
) -> None:
    differences = list(overcharged(since, counters, posted))
    report.examined(Check.COUNTERS, 2)
    report.found(differences)
    made = counters.prompt + counters.completion - since.counters.prompt - since.counters.completion
    charged = posted.prompt + posted.completion
    report.note(
        Check.COUNTERS,
        f"since {since.read_at:%Y-%m-%d %H:%M:%S} UTC {charged} tokens of completed answers are posted and {made} "
        "were counted; the rest is running, broken off, or not ours",
    )
    if differences or now - since.read_at > COMPARED_FOR:
        await progress.begin_readings(pool, Since(now, counters))
    else:
        await progress.keep_reading(pool, counters)
