"""An account's usage by UTC day, for a page."""

from datetime import date, timedelta

from services.metering.adapters.daily_usage_postgres import list_days
from shared.contracts.internal.metering import UsageDay
from shared.ids import AccountId
from shared.postgres import Pool


async def list_daily_usage(pool: Pool, account_id: AccountId, *, days: int, today: date) -> list[UsageDay]:
    """The last `days` days, today included, newest first; empty for an account without usage."""
    return await list_days(pool, account_id, since=today - timedelta(days=days - 1))
