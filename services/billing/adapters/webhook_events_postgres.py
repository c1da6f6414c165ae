"""Events as they were acknowledged, and who has one in hand."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.billing.domain.hints import Hint, Subject
from services.billing.domain.payment_methods import Method
from shared.postgres import Pool

LEASE = timedelta(seconds=10)
"""What a worker that died had in hand waits this long. One that is only slow loses nothing: two may follow the
same event."""
KEPT = timedelta(days=90)
PRUNE_ROWS_MAX = 1000


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    hint: Hint
    received_at: datetime
    attempts: int


async def take_event(pool: Pool, hint: Hint, *, now: datetime) -> bool:
    """One durable, unique insert: after it the provider may forget the event. False when it was known."""
    taken = await pool.fetchval(
        """
        INSERT INTO webhook_events (method, event_id, event_type, subject, subject_id, occurred_at, received_at,
                                    next_attempt_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
        ON CONFLICT ON CONSTRAINT webhook_events_are_taken_once DO NOTHING
        RETURNING event_id
        """,
        hint.method,
        hint.event_id,
        hint.event_type,
        hint.subject,
        hint.subject_id,
        hint.occurred_at,
        now,
    )
    return taken is not None


async def claim_events(pool: Pool, method: Method, *, now: datetime, limit: int) -> list[ClaimedEvent]:
    """Those of a provider that are due, for this worker alone until the lease ends."""
    rows = await pool.fetch(
        """
        UPDATE webhook_events SET attempts = attempts + 1, next_attempt_at = $2
        WHERE (method, event_id) IN (
            SELECT method, event_id FROM webhook_events
            WHERE method = $4 AND processed_at IS NULL AND next_attempt_at <= $1
            ORDER BY next_attempt_at LIMIT $3
            FOR UPDATE SKIP LOCKED
        )
        RETURNING method, event_id, event_type, subject, subject_id, occurred_at, received_at, attempts
        """,
        now,
        now + LEASE,
        limit,
        method,
    )
    return [_claimed(row) for row in rows]


async def finish_event(pool: Pool, hint: Hint, *, now: datetime) -> None:
    await pool.execute(
        "UPDATE webhook_events SET processed_at = $3 WHERE method = $1 AND event_id = $2",
        hint.method,
        hint.event_id,
        now,
    )


async def put_back(pool: Pool, hint: Hint, *, until: datetime) -> None:
    await pool.execute(
        "UPDATE webhook_events SET next_attempt_at = $3 WHERE method = $1 AND event_id = $2",
        hint.method,
        hint.event_id,
        until,
    )


async def prune_events(pool: Pool, *, now: datetime) -> None:
    """What is older than any provider's memory; a replay even later would still only be a hint."""
    await pool.execute(
        """
        DELETE FROM webhook_events WHERE (method, event_id) IN (
            SELECT method, event_id FROM webhook_events WHERE processed_at < $1 LIMIT $2
        )
        """,
        now - KEPT,
        PRUNE_ROWS_MAX,
    )


def _claimed(row: Any) -> ClaimedEvent:
    hint = Hint(
        Method(row["method"]),
        row["event_id"],
        row["event_type"],
        Subject(row["subject"]),
        row["subject_id"],
        row["occurred_at"],
    )
    return ClaimedEvent(hint, row["received_at"], row["attempts"])
