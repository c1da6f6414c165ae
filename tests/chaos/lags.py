"""How late what was done arrived, over a whole seed with its faults: a request's charge in the ledger, an event at RabbitMQ."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from tests.chaos.system import Chaos

LAGS = {
    "usage": """
        SELECT extract(epoch FROM posted_at - ended_at) * 1000 AS late FROM metering.usage
         WHERE account_id = ANY($1) AND admitted_at >= $2
    """,
    "events": """
        SELECT extract(epoch FROM published_at - created_at) * 1000 AS late FROM (
            SELECT created_at, published_at FROM accounts.outbox
            UNION ALL SELECT created_at, published_at FROM metering.outbox
            UNION ALL SELECT created_at, published_at FROM billing.outbox
        ) AS events WHERE created_at >= $2 AND published_at IS NOT NULL AND $1::text[] IS NOT NULL
    """,
}
"""`usage`: from the end of a request to the transaction that charges it. `events`: from the transaction that decided to
tell something to RabbitMQ's confirm, noted; where an operator published it again, to that."""
PERCENTILES = """
    SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY late) FROM ({}) AS lags
"""


async def read_lags(chaos: Chaos, accounts: Sequence[str], since: datetime) -> dict[str, tuple[int, int]]:
    """In milliseconds, p50 and p99; without what there was none of."""
    connection = await asyncpg.connect(chaos.backing.postgres)
    try:
        found = {
            name: await connection.fetchval(PERCENTILES.format(query), list(accounts), since)
            for name, query in LAGS.items()
        }
    finally:
        await connection.close()
    return {name: (round(late[0]), round(late[1])) for name, late in found.items() if late}
