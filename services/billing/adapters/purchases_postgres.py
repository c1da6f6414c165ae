"""Orders as others see them: plain reads."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from services.billing.domain.orders import OrderId
from services.billing.domain.purchases import Purchase
from services.billing.domain.receipts import receipt_number
from shared.ids import AccountId
from shared.postgres import Pool

CSV_ROWS_AT_ONCE = 500


async def get_purchases(pool: Pool, order_ids: Sequence[OrderId]) -> dict[OrderId, Purchase]:
    rows = await pool.fetch(
        """
        SELECT order_id, account_id, pack, tokens, tokens_credited, tokens_reversed, is_frozen, amount_cents, currency,
               method, state, provider_id, created_at, paid_at, year, number
        FROM orders LEFT JOIN receipts USING (order_id)
        WHERE order_id = ANY($1)
        """,
        list(order_ids),
    )
    return {row["order_id"]: _purchase(row) for row in rows}


async def list_of_account(pool: Pool, account_id: AccountId, *, limit: int) -> list[Purchase]:
    """The newest first."""
    rows = await pool.fetch(
        """
        SELECT order_id, account_id, pack, tokens, tokens_credited, tokens_reversed, is_frozen, amount_cents, currency,
               method, state, provider_id, created_at, paid_at, year, number
        FROM orders LEFT JOIN receipts USING (order_id)
        WHERE account_id = $1 ORDER BY created_at DESC LIMIT $2
        """,
        account_id,
        limit,
    )
    return [_purchase(row) for row in rows]


async def list_page(pool: Pool, *, after: UUID, limit: int, state: str | None) -> list[Purchase]:
    """By id. `state` None means all."""
    rows = await pool.fetch(
        """
        SELECT order_id, account_id, pack, tokens, tokens_credited, tokens_reversed, is_frozen, amount_cents, currency,
               method, state, provider_id, created_at, paid_at, year, number
        FROM orders LEFT JOIN receipts USING (order_id)
        WHERE order_id > $1 AND ($3::text IS NULL OR state = $3)
        ORDER BY order_id LIMIT $2
        """,
        after,
        limit,
        state,
    )
    return [_purchase(row) for row in rows]


async def list_all(pool: Pool) -> AsyncIterator[Purchase]:
    """Every order by id, a page at a time: no transaction stays open while somebody reads slowly."""
    after = UUID(int=0)
    while page := await list_page(pool, after=after, limit=CSV_ROWS_AT_ONCE, state=None):
        for purchase in page:
            yield purchase
        after = UUID(page[-1].purchase_id)


async def count_by_state(pool: Pool) -> dict[str, int]:
    rows = await pool.fetch("SELECT state, count(*) AS orders FROM orders GROUP BY state")
    return {row["state"]: row["orders"] for row in rows}


def _purchase(row: Any) -> Purchase:
    return Purchase(
        purchase_id=str(row["order_id"]),
        account_id=row["account_id"],
        pack=row["pack"],
        tokens=row["tokens"],
        tokens_credited=row["tokens_credited"],
        tokens_reversed=row["tokens_reversed"],
        is_credited=row["tokens_credited"] > 0,
        is_frozen=row["is_frozen"],
        amount_cents=row["amount_cents"],
        currency=row["currency"],
        method=row["method"],
        state=row["state"],
        receipt_number=receipt_number(row["year"], row["number"]) if row["number"] else None,
        created_at=row["created_at"],
        paid_at=row["paid_at"],
        provider_id=row["provider_id"],
    )
