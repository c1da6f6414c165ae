"""Deductions on their way and done: every hold they take in Redis is written here before it is taken."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from services.metering.domain.adjustments import Adjustment
from shared.ids import AccountId
from shared.postgres import Connection, Pool


async def find_adjustment(connection: Connection, adjustment_id: UUID) -> Adjustment | None:
    row = await connection.fetchrow(
        "SELECT adjustment_id, account_id, delta, reason FROM adjustments WHERE adjustment_id = $1",
        adjustment_id,
    )
    return None if row is None else Adjustment(**row)


async def add_adjustment(connection: Connection, adjustment: Adjustment, now: datetime) -> None:
    """The caller holds the account's lock and has looked that it is new."""
    await connection.execute(
        """
        INSERT INTO adjustments (adjustment_id, account_id, delta, reason, created_at)
        VALUES ($1, $2, $3, $4, $5)
        """,
        adjustment.adjustment_id,
        adjustment.account_id,
        adjustment.delta,
        adjustment.reason,
        now,
    )


async def begin_lowering(
    connection: Connection, adjustment: Adjustment, lowering_id: UUID, now: datetime
) -> UUID:
    """The adjustment's lowering that is open, or else this one. The caller holds the account's lock."""
    earlier: UUID | None = await connection.fetchval(
        "SELECT lowering_id FROM lowerings WHERE adjustment_id = $1 AND state = 'open'",
        adjustment.adjustment_id,
    )
    if earlier is not None:
        return earlier
    await connection.execute(
        """
        INSERT INTO lowerings (lowering_id, account_id, adjustment_id, tokens, state, began_at)
        VALUES ($1, $2, $3, $4, 'open', $5)
        """,
        lowering_id,
        adjustment.account_id,
        adjustment.adjustment_id,
        -adjustment.delta,
        now,
    )
    return lowering_id


async def end_lowering(connection: Connection, lowering_id: UUID) -> bool:
    """Posted, in the transaction that posts it. False when it was posted or given up before."""
    return await _leave_open(connection, lowering_id, "posted")


async def give_up_lowering(connection: Connection, lowering_id: UUID) -> bool:
    """It can not be posted any more; its hold ends with the mirror pass of the account's next version."""
    return await _leave_open(connection, lowering_id, "given_up")


async def give_up_lowerings_of(pool: Pool, account_ids: Collection[AccountId]) -> None:
    """A Redis that has lost an account has lost its holds: what was held there can not be posted any more."""
    await pool.execute(
        "UPDATE lowerings SET state = 'given_up' WHERE account_id = ANY($1) AND state = 'open'",
        list(account_ids),
    )


async def list_stuck_lowerings(
    pool: Pool, *, began_before: datetime, limit: int
) -> list[tuple[UUID, AccountId]]:
    """Open for too long: whoever began them is gone."""
    rows = await pool.fetch(
        """
        SELECT lowering_id, account_id FROM lowerings
        WHERE state = 'open' AND began_at < $1 ORDER BY began_at LIMIT $2
        """,
        began_before,
        limit,
    )
    return [(row["lowering_id"], AccountId(row["account_id"])) for row in rows]


async def list_ended_lowerings(connection: Connection, lowering_ids: Collection[UUID]) -> list[UUID]:
    """Those of the ids that are lowerings and are posted or given up."""
    rows = await connection.fetch(
        "SELECT lowering_id FROM lowerings WHERE lowering_id = ANY($1) AND state <> 'open'",
        list(lowering_ids),
    )
    return [row["lowering_id"] for row in rows]


async def _leave_open(connection: Connection, lowering_id: UUID, state: str) -> bool:
    """The caller holds the account's lock."""
    left = await connection.fetchval(
        "UPDATE lowerings SET state = $2 WHERE lowering_id = $1 AND state = 'open' RETURNING lowering_id",
        lowering_id,
        state,
    )
    return left is not None
