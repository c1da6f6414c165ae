"""I10: nothing waits for ever. Batches, events, deductions, settlements, leases, the mirror, parked messages."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta

from redis.asyncio import Redis

from services.metering.adapters import audit_lists_postgres as ledger
from services.metering.adapters.accounts_postgres import list_accounts_to_mirror
from services.metering.adapters.audit_progress_postgres import list_waiting
from services.metering.domain.audit.findings import Check, Finding, Report
from shared.admission.inspection import inspect
from shared.admission.shards import SHARDS
from shared.admission.stream import SettlementStream
from shared.admission.sweep import StaleLease, stale_leases
from shared.bus import connection as bus
from shared.bus.parked import ParkingPlace, list_parked
from shared.bus.topology import TOPOLOGY
from shared.ids import AccountId
from shared.postgres import Pool

STUCK_AFTER = timedelta(seconds=60)
LOWERINGS_STUCK_AFTER = timedelta(seconds=180)
LEASES_PER_SHARD_MAX = 10_000
EVERY_LEASE_SECONDS = -2e10
"""Older than that far in the future: also those of deductions, which nobody sweeps."""
ACCOUNTS_BEHIND_MAX = 1000
MIRROR_LOOKS = 10
"""One a second; also an account that Redis lost is back by then."""
LOOK_EVERY_SECONDS = 1.0


async def audit_waiting(pool: Pool, redis: Redis, report: Report, now: datetime) -> None:
    waiting = await list_waiting(pool, before=now - STUCK_AFTER, lowerings_before=now - LOWERINGS_STUCK_AFTER)
    report.found(_stuck(each.what, f"waits since {_clock(each.since)}") for each in waiting)
    oldest_ms = await SettlementStream(redis).oldest_unconfirmed_ms()
    if oldest_ms is not None and now.timestamp() * 1000 - oldest_ms > STUCK_AFTER.total_seconds() * 1000:
        age = now.timestamp() - oldest_ms / 1000
        report.found([_stuck("settlement streams", f"the oldest unpublished one is {age:.0f} s old")])
    report.examined(Check.STUCK, len(waiting) + 1)


async def audit_leases(redis: Redis, report: Report, *, between_looks_seconds: float) -> None:
    """A lease without its hold: the sweeper would look at it for ever. Told when it is there twice."""
    loose = await _loose_leases(redis)
    if loose:
        await asyncio.sleep(between_looks_seconds)
        loose &= await _loose_leases(redis)
    for lease in sorted(loose, key=lambda each: each.request_id):
        text = f"a lease of {lease.account_id} without a hold"
        report.found([Finding(Check.HOLDS, f"lease {lease.request_id}", text, lease.account_id)])


async def audit_mirror(pool: Pool, report: Report) -> None:
    """The accounts of whose latest version Redis has not heard: soon it must have."""
    behind = await list_accounts_to_mirror(pool, after=AccountId(""), limit=ACCOUNTS_BEHIND_MAX)
    report.examined(Check.STUCK, len(behind))
    for _ in range(MIRROR_LOOKS):
        behind = {each: behind[each] for each in await ledger.list_behind(pool, behind)}
        if not behind:
            return
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    for account_id, version in behind.items():
        text = f"Redis has not heard of version {version} within {MIRROR_LOOKS} s"
        report.found([Finding(Check.STUCK, f"mirror of {account_id}", text, account_id)])


async def audit_parked(amqp_url: str, report: Report) -> None:
    connection = bus.Connection(amqp_url, "metering-audit")
    try:
        for service in TOPOLOGY.bindings:
            place = await list_parked(connection, service, TOPOLOGY)
            report.found(_parked(place))
            report.examined(Check.STUCK, 1)
    except (bus.BrokerUnavailable, *bus.BROKER_ERRORS):
        report.not_checked(Check.STUCK, "parked messages: RabbitMQ does not answer")
    finally:
        await connection.close()


def _parked(place: ParkingPlace) -> Iterator[Finding]:
    for message in place.messages:
        text = f"{message.event_type} lies in {place.queue}: {message.reason}"
        yield _stuck(f"message {message.event_id}", text)


async def _loose_leases(redis: Redis) -> set[StaleLease]:
    leases = [
        lease
        for shard in range(SHARDS)
        for lease in await stale_leases(redis, shard, EVERY_LEASE_SECONDS, LEASES_PER_SHARD_MAX)
    ]
    seen = await inspect(redis, {lease.account_id for lease in leases})
    return {lease for lease in leases if lease.request_id not in seen[lease.account_id].holds}


def _stuck(subject: str, text: str) -> Finding:
    return Finding(Check.STUCK, subject, text)


def _clock(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
