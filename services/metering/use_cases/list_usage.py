"""An account's usage by day, model or key, a page at a time."""

from services.metering.adapters import usage_reports_postgres
from services.metering.domain.cursors import Cursor
from shared.contracts.internal.metering import GroupBy, UsageReport
from shared.ids import AccountId
from shared.postgres import Pool


async def list_usage(
    pool: Pool, account_id: AccountId, group_by: GroupBy, place: Cursor, *, limit: int
) -> UsageReport:
    """Empty for an account without usage."""
    rows = await usage_reports_postgres.list_usage(
        pool, account_id, group_by, place.window, after=place.after, limit=limit + 1
    )
    shown = rows[:limit]
    return UsageReport(
        group_by=group_by,
        since=place.window.since,
        until=place.window.until,
        rows=tuple(shown),
        next_cursor=place.going_on(shown[-1].group) if len(rows) > limit else None,
    )
