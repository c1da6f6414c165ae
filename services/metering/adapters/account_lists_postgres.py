"""Many accounts at once: their usage, their order, and what they come to together."""

from collections.abc import Collection
from datetime import date
from typing import NamedTuple

from shared.contracts.internal.metering import UsageDay
from shared.ids import AccountId
from shared.postgres import Pool


class Used(NamedTuple):
    requests: int
    tokens: int


class Sums(NamedTuple):
    accounts: int
    tokens_available: int
    tokens_debt: int


async def read_usage_since(
    pool: Pool, account_ids: Collection[AccountId], *, since: date
) -> dict[AccountId, Used]:
    """Accounts without usage are absent."""
    rows = await pool.fetch(
        """
        SELECT account_id, sum(requests)::bigint AS requests,
            sum(tokens_prompt + tokens_completion)::bigint AS tokens
        FROM daily_usage WHERE account_id = ANY($1) AND day >= $2
        GROUP BY account_id
        """,
        list(account_ids),
        since,
    )
    return {AccountId(row["account_id"]): Used(row["requests"], row["tokens"]) for row in rows}


async def list_by_balance_rising(pool: Pool, *, offset: int, limit: int) -> list[AccountId]:
    rows = await pool.fetch(
        "SELECT account_id FROM account_ranks ORDER BY available, account_id OFFSET $1 LIMIT $2",
        offset,
        limit,
    )
    return [AccountId(row["account_id"]) for row in rows]


async def list_by_balance_falling(pool: Pool, *, offset: int, limit: int) -> list[AccountId]:
    rows = await pool.fetch(
        "SELECT account_id FROM account_ranks ORDER BY available DESC, account_id DESC OFFSET $1 LIMIT $2",
        offset,
        limit,
    )
    return [AccountId(row["account_id"]) for row in rows]


async def list_by_usage_rising(pool: Pool, *, offset: int, limit: int) -> list[AccountId]:
    rows = await pool.fetch(
        "SELECT account_id FROM account_ranks ORDER BY tokens_used, account_id OFFSET $1 LIMIT $2",
        offset,
        limit,
    )
    return [AccountId(row["account_id"]) for row in rows]


async def list_by_usage_falling(pool: Pool, *, offset: int, limit: int) -> list[AccountId]:
    rows = await pool.fetch(
        "SELECT account_id FROM account_ranks ORDER BY tokens_used DESC, account_id DESC OFFSET $1 LIMIT $2",
        offset,
        limit,
    )
    return [AccountId(row["account_id"]) for row in rows]


async def read_sums(pool: Pool) -> Sums:
    row = await pool.fetchrow("SELECT accounts, tokens_available, tokens_debt FROM system_sums")
    assert row is not None  # the migration made it
    return Sums(**row)


async def list_system_days(pool: Pool, *, since: date) -> list[UsageDay]:
    """Newest first."""
    rows = await pool.fetch(
        """
        SELECT day, requests, tokens_prompt, tokens_completion FROM system_days
        WHERE day >= $1 ORDER BY day DESC
        """,
        since,
    )
    return [UsageDay(**row) for row in rows]
