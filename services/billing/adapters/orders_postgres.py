"""The table of orders. What is booked changes only where its version is still the one that was decided on."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.billing.domain.orders import Order, OrderId, Price, Standing, State
from services.billing.domain.payment_methods import Method
from shared.ids import AccountId
from shared.postgres import Connection, Pool


async def add_order(connection: Connection, order: Order, *, next_check_at: datetime, open_max: int) -> bool:
    """False when the order exists, or the account has `open_max` open ones already."""
    added = await connection.fetchval(
        """
        INSERT INTO orders (order_id, account_id, pack, tokens, amount_cents, currency, method, seller,
                            created_at, changed_at, next_check_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10
        WHERE (SELECT count(*) FROM orders WHERE account_id = $2 AND state = 'open') < $11
        ON CONFLICT (order_id) DO NOTHING
        RETURNING order_id
        """,
        order.order_id,
        order.account_id,
        order.pack,
        order.tokens,
        order.price.amount_cents,
        order.price.currency,
        order.method,
        order.seller,
        order.created_at,
        next_check_at,
        open_max,
    )
    return added is not None


async def find_order(connection: Connection | Pool, order_id: OrderId) -> Order | None:
    row = await connection.fetchrow(
        """
        SELECT order_id, account_id, pack, tokens, amount_cents, currency, method, seller, created_at, provider_id,
               version, state, tokens_credited, tokens_reversed, reversed_for, is_frozen, refund_announced_at,
               EXISTS (SELECT FROM deleted_accounts WHERE account_id = orders.account_id) AS account_is_deleted
        FROM orders WHERE order_id = $1
        """,
        order_id,
    )
    return _order(row) if row else None


async def find_order_id(pool: Pool, method: Method, provider_id: str) -> OrderId | None:
    found: OrderId | None = await pool.fetchval(
        "SELECT order_id FROM orders WHERE method = $1 AND provider_id = $2", method, provider_id
    )
    return found


async def list_due(pool: Pool, method: Method, *, now: datetime, limit: int) -> list[OrderId]:
    """Those to be looked up again, the longest due first."""
    rows = await pool.fetch(
        """
        SELECT order_id FROM orders WHERE method = $1 AND next_check_at <= $2
        ORDER BY next_check_at LIMIT $3
        """,
        method,
        now,
        limit,
    )
    return [row["order_id"] for row in rows]


async def list_unfinished(pool: Pool, *, after: UUID, limit: int) -> list[OrderId]:
    """Those that may still be paid, whenever they would be looked up next; by id."""
    rows = await pool.fetch(
        """
        SELECT order_id FROM orders
        WHERE order_id > $1 AND (state IN ('open', 'processing', 'review') OR next_check_at IS NOT NULL)
        ORDER BY order_id LIMIT $2
        """,
        after,
        limit,
    )
    return [row["order_id"] for row in rows]


async def postpone(pool: Pool, order_id: OrderId, *, until: datetime) -> None:
    """The provider did not answer: come again, not at once."""
    await pool.execute("UPDATE orders SET next_check_at = $2 WHERE order_id = $1", order_id, until)


async def leave_as_it_is(connection: Connection, order: Order, *, next_check_at: datetime | None) -> bool:
    """Nothing changed. False when somebody else changed it meanwhile."""
    kept = await connection.fetchval(
        "UPDATE orders SET next_check_at = $3 WHERE order_id = $1 AND version = $2 RETURNING order_id",
        order.order_id,
        order.version,
        next_check_at,
    )
    return kept is not None


async def store_standing(
    connection: Connection,
    order: Order,
    standing: Standing,
    *,
    version: int,
    next_check_at: datetime | None,
    now: datetime,
) -> bool:
    """False when somebody else changed it since `order` was read: then nothing is stored."""
    stored = await connection.fetchval(
        """
        UPDATE orders
        SET version = $3, state = $4, tokens_credited = $5, tokens_reversed = $6, reversed_for = $7, is_frozen = $8,
            paid_at = CASE WHEN $5::bigint > 0 THEN coalesce(paid_at, $10) END, next_check_at = $9, changed_at = $10
        WHERE order_id = $1 AND version = $2
        RETURNING order_id
        """,
        order.order_id,
        order.version,
        version,
        standing.state,
        standing.tokens_credited,
        standing.tokens_reversed,
        standing.reversed_for,
        standing.is_frozen,
        next_check_at,
        now,
    )
    return stored is not None


async def announce_refund(pool: Pool, order_id: OrderId, *, now: datetime) -> None:
    """A fact that the provider's object will not show; the first announcement counts."""
    await pool.execute(
        """
        UPDATE orders SET refund_announced_at = $2, version = version + 1
        WHERE order_id = $1 AND refund_announced_at IS NULL
        """,
        order_id,
        now,
    )


async def forget_account(connection: Connection, account_id: AccountId, *, now: datetime) -> None:
    """The version moves, so that nobody credits what was decided before."""
    await connection.execute(
        "INSERT INTO deleted_accounts (account_id, deleted_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        account_id,
        now,
    )
    await connection.execute("UPDATE orders SET version = version + 1 WHERE account_id = $1", account_id)


def _order(row: Any) -> Order:
    return Order(
        order_id=row["order_id"],
        account_id=AccountId(row["account_id"]),
        pack=row["pack"],
        tokens=row["tokens"],
        price=Price(row["amount_cents"], row["currency"]),
        method=Method(row["method"]),
        seller=row["seller"],
        created_at=row["created_at"],
        provider_id=row["provider_id"],
        version=row["version"],
        standing=Standing(
            State(row["state"]),
            row["tokens_credited"],
            row["tokens_reversed"],
            row["reversed_for"],
            row["is_frozen"],
        ),
        account_is_deleted=row["account_is_deleted"],
        refund_is_announced=row["refund_announced_at"] is not None,
    )
