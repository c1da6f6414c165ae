"""The partitions of usage, through the two functions that the owner leaves to the running service."""

from datetime import timedelta

from shared.postgres import Pool


async def make_partitions(pool: Pool, *, months_ahead: int) -> list[str]:
    """The names of those that were not there yet."""
    rows = await pool.fetch("SELECT make_usage_partitions($1) AS name", months_ahead)
    return [row["name"] for row in rows]


async def drop_old_partitions(pool: Pool, *, retention: timedelta) -> list[str]:
    rows = await pool.fetch("SELECT drop_old_usage($1) AS name", retention)
    return [row["name"] for row in rows]
