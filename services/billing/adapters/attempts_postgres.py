"""Attempts at opening a checkout, and the one that the order takes."""

from datetime import datetime

from services.billing.domain.checkouts import Checkout
from services.billing.domain.orders import OrderId
from shared.postgres import Pool

ATTEMPTS_MAX = 20
"""Of one order: whoever sends the same form more often than that is no customer."""


async def begin_attempt(pool: Pool, order_id: OrderId, *, now: datetime) -> str | None:
    """Returns its idempotency key, `topup:<order>:<n>`. None when there were too many, or another one has begun at
    the very same time."""
    key: str | None = await pool.fetchval(
        """
        INSERT INTO attempts (order_id, attempt, idempotency_key, started_at)
        SELECT $1, n, 'topup:' || $1::text || ':' || n, $2
        FROM (SELECT coalesce(max(attempt), 0) + 1 AS n FROM attempts WHERE order_id = $1) AS next
        WHERE n <= $3
        ON CONFLICT DO NOTHING
        RETURNING idempotency_key
        """,
        order_id,
        now,
        ATTEMPTS_MAX,
    )
    return key


async def take_checkout(pool: Pool, order_id: OrderId, checkout: Checkout) -> Checkout | None:
    """The checkout that the order has now: this one, or one that came before it. None when it can take none."""
    row = await pool.fetchrow(
        """
        WITH taken AS (
            UPDATE orders SET provider_id = $2, provider_url = $3
            WHERE order_id = $1 AND provider_id IS NULL AND state = 'open'
            RETURNING provider_id, provider_url
        )
        SELECT provider_id, provider_url FROM taken
        UNION ALL
        SELECT provider_id, provider_url FROM orders
        WHERE order_id = $1 AND provider_id IS NOT NULL AND NOT EXISTS (SELECT FROM taken)
        """,
        order_id,
        checkout.provider_id,
        checkout.url,
    )
    return Checkout(row["provider_id"], row["provider_url"]) if row else await find_checkout(pool, order_id)


async def find_checkout(pool: Pool, order_id: OrderId) -> Checkout | None:
    row = await pool.fetchrow(
        "SELECT provider_id, provider_url FROM orders WHERE order_id = $1 AND provider_id IS NOT NULL",
        order_id,
    )
    return Checkout(row["provider_id"], row["provider_url"]) if row else None
