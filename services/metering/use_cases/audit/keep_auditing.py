"""The scheduled audit: due once per interval whoever is first, and shown by all replicas as metrics."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from prometheus_client import Gauge

from services.metering.adapters import audit_progress_postgres as progress
from services.metering.domain.audit.findings import Report
from services.metering.domain.audit.table import as_figures
from services.metering.use_cases.audit.run_audit import Patience, Sources, run_audit
from shared.clock import utc_now

DIFFERENCES = Gauge("promptly_metering_audit_differences", "What the last audit found to differ.", ("check",))
NOT_CHECKED = Gauge(
    "promptly_metering_audit_not_checked", "1 for what the last audit could not look at.", ("check",)
)
EXAMINED = Gauge("promptly_metering_audit_examined", "Rows that the last audit looked at.", ("check",))
BEGAN = Gauge("promptly_metering_audit_timestamp_seconds", "When the last audit began; 0 before the first.")

PATIENCE = Patience()

log = structlog.get_logger()


class ScheduledAudit:
    """`started_at`: without any earlier audit the first is due one interval after the start."""

    def __init__(
        self, sources: Sources, *, every: timedelta, started_at: datetime, patience: Patience = PATIENCE
    ) -> None:
        self._sources = sources
        self._every = every
        self._started_at = started_at
        self._patience = patience

    async def tick(self) -> None:
        """Replica-safe: who finds another at it leaves it to that one."""
        async with self._sources.pool.acquire() as connection:
            if await self._is_due() and await progress.take_turn(connection):
                try:
                    if await self._is_due():
                        await self._audit()
                finally:
                    await progress.let_go(connection)
        await self._show_last()

    async def _is_due(self) -> bool:
        last = await progress.find_last_audit(self._sources.pool)
        began_at = self._started_at if last is None else last.began_at
        return utc_now() - began_at >= self._every

    async def _audit(self) -> None:
        began_at = utc_now()
        report = await run_audit(self._sources, _tell_nobody, self._patience)
        await progress.add_audit(self._sources.pool, began_at, utc_now(), as_figures(report))
        _log(report)

    async def _show_last(self) -> None:
        last = await progress.find_last_audit(self._sources.pool)
        if last is not None:
            BEGAN.set(last.began_at.timestamp())
            for check, figures in last.results.items():
                _show(check, figures)


def _show(check: str, figures: Mapping[str, int]) -> None:
    DIFFERENCES.labels(check).set(figures["differences"])
    NOT_CHECKED.labels(check).set(figures["not_checked"])
    EXAMINED.labels(check).set(figures["examined"])


def _log(report: Report) -> None:
    for check, result in report.results.items():
        for finding in result.findings:
            log.error("audit_difference", check=check, subject=finding.subject, difference=finding.text)
        for reason in result.not_checked:
            log.warning("audit_not_checked", check=check, reason=reason)
    log.info("audited", differences=report.differences, is_whole=report.is_whole)


def _tell_nobody(_accounts: int) -> None:
    pass
