"""The inbox: an event takes effect once, however often it is delivered.

    inbox (event_id primary key, received_at), unqualified: the role's search_path

Inserted in the transaction of the effect: both are committed or neither is. Two deliveries at the same time
are decided by the primary key: the second waits for the first to commit or roll back.
"""

from uuid import UUID

from shared.postgres import Connection


async def first_time(connection: Connection, event_id: UUID) -> bool:
    """True when this transaction is the first to see the event; False means: change nothing, acknowledge."""
    inserted = await connection.fetchval(
        "INSERT INTO inbox (event_id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING event_id", event_id
    )
    return inserted is not None
