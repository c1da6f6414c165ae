"""The record of what the operator did: begun before an action, completed after it, never changed again."""

import json
from datetime import datetime
from uuid import UUID

import asyncpg

from services.accounts.domain.operators import Action, ActionSeen, Facts, Outcome
from shared.ids import AccountId
from shared.postgres import Pool


async def begin(pool: Pool, action: Action, *, before: Facts, now: datetime) -> bool:
    """False when this very action was done before. One that was cut short or refused may be taken up again."""
    await pool.execute(
        """
        INSERT INTO admin_actions (action_id, begun_at, signed_in_by, client_address, action, account_id, what, before)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (action_id) DO NOTHING
        """,
        action.action_id,
        now,
        action.operator.signed_in_by,
        action.operator.client_address,
        action.name,
        action.account_id,
        json.dumps(action.what),
        json.dumps(before),
    )
    is_done: bool = await pool.fetchval(
        "SELECT outcome IS NOT DISTINCT FROM 'done' FROM admin_actions WHERE action_id = $1", action.action_id
    )
    return not is_done


async def complete(pool: Pool, action_id: UUID, outcome: Outcome, *, after: Facts | None) -> None:
    await pool.execute(
        "UPDATE admin_actions SET outcome = $2, after = $3 WHERE action_id = $1 AND outcome IS DISTINCT FROM 'done'",
        action_id,
        outcome,
        None if after is None else json.dumps(after),
    )


async def list_actions(pool: Pool, *, offset: int, limit: int) -> list[ActionSeen]:
    """Newest first."""
    rows = await pool.fetch(
        """
        SELECT begun_at, signed_in_by, client_address, action, account_id, user_id, what, before, outcome, after
        FROM admin_actions LEFT JOIN accounts USING (account_id)
        ORDER BY begun_at DESC LIMIT $1 OFFSET $2
        """,
        limit,
        offset,
    )
    return [_seen(row) for row in rows]


async def list_actions_on(pool: Pool, account_id: AccountId, *, limit: int) -> list[ActionSeen]:
    rows = await pool.fetch(
        """
        SELECT begun_at, signed_in_by, client_address, action, account_id, user_id, what, before, outcome, after
        FROM admin_actions LEFT JOIN accounts USING (account_id)
        WHERE account_id = $1 ORDER BY begun_at DESC LIMIT $2
        """,
        account_id,
        limit,
    )
    return [_seen(row) for row in rows]


def _seen(row: asyncpg.Record) -> ActionSeen:
    read = {name: json.loads(row[name]) if row[name] else None for name in ("what", "before", "after")}
    return ActionSeen(**{**row, **read})
