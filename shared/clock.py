"""The only place that reads the wall clock; everything else takes the time as an argument."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)
