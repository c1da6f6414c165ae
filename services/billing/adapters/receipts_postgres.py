"""Receipt numbers, and what is kept of who got which."""

from datetime import datetime

from services.billing.domain.orders import OrderId
from services.billing.domain.receipts import receipt_number
from shared.postgres import Connection


async def issue_receipt(connection: Connection, order_id: OrderId, *, now: datetime) -> str:
    """The next number of the year, in the transaction of the credit. Others wait for its end: no gap, no double."""
    number = await connection.fetchval(
        """
        WITH next AS (
            INSERT INTO receipt_years (year, last_number) VALUES ($1, 1)
            ON CONFLICT (year) DO UPDATE SET last_number = receipt_years.last_number + 1
            RETURNING last_number
        )
        INSERT INTO receipts (year, number, order_id, issued_at)
        SELECT $1, last_number, $2, $3 FROM next
        RETURNING number
        """,
        now.year,
        order_id,
        now,
    )
    return receipt_number(now.year, number)


async def get_receipt_number(connection: Connection, order_id: OrderId) -> str:
    row = await connection.fetchrow("SELECT year, number FROM receipts WHERE order_id = $1", order_id)
    assert row is not None, "every credited order has a receipt"
    return receipt_number(row["year"], row["number"])
