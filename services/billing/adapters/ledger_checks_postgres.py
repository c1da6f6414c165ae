"""Which credited orders the ledger is to be asked about, and what it said."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.billing.domain.orders import OrderId
from shared.ids import AccountId
from shared.postgres import Connection, Pool

AGAIN_AFTER = timedelta(days=1)
"""What agreed is asked about again this often."""
SOON = timedelta(minutes=1)
"""After a change its event may still be on the way; after a difference the repair may."""


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    order_id: OrderId
    account_id: AccountId
    changed_at: datetime
    told_again_at: datetime | None


async def list_due_checks(pool: Pool, *, now: datetime, limit: int) -> list[LedgerCheck]:
    """Changed and not yet seen in the ledger, or not asked about for a day. The longest unasked first."""
    rows = await pool.fetch(
        """
        SELECT order_id, account_id, changed_at, ledger_told_again_at FROM orders
        WHERE tokens_credited > 0
          AND coalesce(ledger_checked_at, changed_at)
              < CASE WHEN ledger_agreed_version = version THEN $1::timestamptz ELSE $2::timestamptz END
          AND NOT EXISTS (SELECT FROM deleted_accounts WHERE account_id = orders.account_id)
        ORDER BY ledger_checked_at NULLS FIRST LIMIT $3
        """,
        now - AGAIN_AFTER,
        now - SOON,
        limit,
    )
    return [_check(row) for row in rows]


async def list_checks(pool: Pool, *, after: UUID, limit: int) -> list[LedgerCheck]:
    """Every credited order of accounts that exist, by id."""
    rows = await pool.fetch(
        """
        SELECT order_id, account_id, changed_at, ledger_told_again_at FROM orders
        WHERE tokens_credited > 0 AND order_id > $1
          AND NOT EXISTS (SELECT FROM deleted_accounts WHERE account_id = orders.account_id)
        ORDER BY order_id LIMIT $2
        """,
        after,
        limit,
    )
    return [_check(row) for row in rows]


async def record_agreement(pool: Pool, order_id: OrderId, *, version: int, now: datetime) -> None:
    await pool.execute(
        """
        UPDATE orders SET ledger_checked_at = $3, ledger_agreed_version = $2, ledger_told_again_at = NULL
        WHERE order_id = $1
        """,
        order_id,
        version,
        now,
    )


async def record_difference(pool: Pool, order_id: OrderId, *, now: datetime) -> None:
    await pool.execute("UPDATE orders SET ledger_checked_at = $2 WHERE order_id = $1", order_id, now)


async def record_telling_again(
    connection: Connection, order_id: OrderId, *, version: int, events: int, now: datetime
) -> bool:
    """Reserves the versions of as many events. False when the order has changed meanwhile."""
    recorded = await connection.fetchval(
        """
        UPDATE orders SET version = version + $3, ledger_checked_at = $4, ledger_told_again_at = $4
        WHERE order_id = $1 AND version = $2
        RETURNING order_id
        """,
        order_id,
        version,
        events,
        now,
    )
    return recorded is not None


def _check(row: Any) -> LedgerCheck:
    return LedgerCheck(row["order_id"], row["account_id"], row["changed_at"], row["ledger_told_again_at"])
