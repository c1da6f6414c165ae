"""The inbox: an event takes effect once, however often it is delivered.

    inbox (event_id primary key, received_at), unqualified: the role's search_path

Inserted in the transaction of the effect: both are committed or neither is. Two deliveries at the same time
are decided by the primary key: the second waits for the first to commit or roll back.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from shared.ids import first_uuid7_at
from shared.postgres import Connection, Pool

KEPT = timedelta(days=30)
"""Longer than anything is delivered again by itself: settlements and outboxes are replayed for a day. What a human
puts back later still is counted once by the keys of the tables themselves."""
PRUNE_ROWS_MAX = 5_000


async def first_time(connection: Connection, event_id: UUID) -> bool:
    """True when this transaction is the first to see the event; False means: change nothing, acknowledge."""
    inserted = await connection.fetchval(
        "INSERT INTO inbox (event_id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING event_id", event_id
    )
    return inserted is not None


async def list_seen(connection: Connection, event_ids: Collection[UUID]) -> set[UUID]:
    """Those that have had their effect. For effects that have a key of their own: without `first_time`'s lock two
    deliveries at the same time both see nothing."""
    rows = await connection.fetch("SELECT event_id FROM inbox WHERE event_id = ANY($1)", list(event_ids))
    return {row["event_id"] for row in rows}


async def remember(connection: Connection, event_ids: Collection[UUID]) -> None:
    """In the order of their ids, so that two transactions never wait for each other."""
    await connection.execute(
        "INSERT INTO inbox (event_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING", sorted(event_ids)
    )


async def prune(pool: Pool, now: datetime) -> int:
    """Forgets events that are older than KEPT and came as long ago, a bounded number; returns how many."""
    status = await pool.execute(
        """
        DELETE FROM inbox WHERE event_id IN (
            SELECT event_id FROM inbox WHERE event_id < $1 AND received_at < $2 ORDER BY event_id LIMIT $3
        )
        """,
        first_uuid7_at(now - KEPT),
        now - KEPT,
        PRUNE_ROWS_MAX,
    )
    return int(status.removeprefix("DELETE "))
