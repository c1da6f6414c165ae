"""The whole audit, once: every check that a row, Redis, another service or the model server can answer."""

from collections.abc import Iterable
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.metering.adapters.audit_notes_postgres import read_horizon
from services.metering.domain.audit.admission import STALE_AFTER_SECONDS
from services.metering.domain.audit.findings import Check, Report
from services.metering.domain.audit.generations import IN_FLIGHT_SECONDS
from services.metering.use_cases.audit.audit_accounts import (
    BETWEEN_LOOKS_SECONDS,
    AccountsAudit,
    Progress,
)
from services.metering.use_cases.audit.audit_generations import audit_counters, audit_settlements
from services.metering.use_cases.audit.audit_orders import audit_orders, audit_trials
from services.metering.use_cases.audit.audit_rows import audit_rows
from services.metering.use_cases.audit.audit_stuck import (
    audit_leases,
    audit_mirror,
    audit_parked,
    audit_waiting,
)
from shared.admission.epoch import read_epoch
from shared.clock import utc_now
from shared.http.internal import InternalClient
from shared.postgres import Pool


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the audit looks, beside the ledger itself."""

    pool: Pool
    redis: Redis
    amqp_url: str
    accounts: InternalClient
    billing: InternalClient
    llama_base_urls: tuple[str, ...] = ()
    llama_api_key: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what differs may be on its way."""

    between_looks_seconds: float = BETWEEN_LOOKS_SECONDS
    in_flight_seconds: float = IN_FLIGHT_SECONDS


BY_REDIS = (Check.COVER, Check.GENERATIONS, Check.HOLDS, Check.JOURNAL, Check.STUCK, Check.REBUILD)


async def run_audit(sources: Sources, progress: Progress, patience: Patience) -> Report:
    """Raises database errors; what else is down leaves its checks undone, and the report says so."""
    report = Report()
    horizon = await read_horizon(sources.pool)
    await audit_counters(sources.pool, report, sources.llama_base_urls, sources.llama_api_key, utc_now())
    try:
        epoch = await read_epoch(sources.redis)
        silence_counts = epoch.steady_seconds > STALE_AFTER_SECONDS
        await _audit_redis(sources, report, patience)
        accounts = AccountsAudit(sources.pool, sources.redis, silence_counts, patience.between_looks_seconds)
        await accounts.run(report, progress)
    except (RedisError, OSError) as error:
        _undone(report, (*BY_REDIS, Check.BALANCES, Check.BURN_ORDER), type(error).__name__)
    await audit_trials(sources.pool, report, sources.accounts)
    await audit_orders(sources.pool, report, sources.billing)
    await audit_parked(sources.amqp_url, report)
    await audit_mirror(sources.pool, report)
    await audit_rows(sources.pool, report, horizon)
    return report


async def _audit_redis(sources: Sources, report: Report, patience: Patience) -> None:
    await audit_settlements(sources.pool, sources.redis, report, in_flight_seconds=patience.in_flight_seconds)
    await audit_waiting(sources.pool, sources.redis, report, utc_now())
    await audit_leases(sources.redis, report, between_looks_seconds=patience.between_looks_seconds)


def _undone(report: Report, checks: Iterable[Check], reason: str) -> None:
    for check in checks:
        report.not_checked(check, f"Redis does not answer ({reason})")
