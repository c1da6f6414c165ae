"""How much waits: for the worker, and for a human."""

from dataclasses import dataclass
from datetime import datetime

from shared.postgres import Pool


@dataclass(frozen=True, slots=True)
class Waiting:
    events: int
    oldest_event_seconds: float
    reviews: int


async def count_waiting(pool: Pool, *, now: datetime) -> Waiting:
    row = await pool.fetchrow(
        """
        SELECT (SELECT count(*) FROM webhook_events WHERE processed_at IS NULL) AS events,
               (SELECT min(received_at) FROM webhook_events WHERE processed_at IS NULL) AS oldest_at,
               (SELECT count(*) FROM reviews WHERE decided_at IS NULL) AS reviews
        """
    )
    assert row is not None, "a select without FROM has one row"
    oldest_seconds = (now - row["oldest_at"]).total_seconds() if row["oldest_at"] else 0.0
    return Waiting(row["events"], oldest_seconds, row["reviews"])
