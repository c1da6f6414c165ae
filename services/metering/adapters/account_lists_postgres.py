"""Many accounts at once: their usage, their order, and what they come to together."""

from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple

from shared.contracts.internal.metering import UsageDay
from shared.ids import AccountId
from shared.postgres import Connection, Pool


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
        """
        SELECT account_id FROM accounts WHERE closed_at IS NULL
        ORDER BY balance, account_id OFFSET $1 LIMIT $2
        """,
        offset,
        limit,
    )
    return [AccountId(row["account_id"]) for row in rows]


async def list_by_balance_falling(pool: Pool, *, offset: int, limit: int) -> list[AccountId]:
    rows = await pool.fetch(
        """
        SELECT account_id FROM accounts WHERE closed_at IS NULL
        ORDER BY balance DESC, account_id DESC OFFSET $1 LIMIT $2
        """,
        offset,
        limit,
    )
    return [AccountId(row["account_id"]) for row in rows]


async def list_by_usage_rising(pool: Pool, *, offset: int, limit: int) -> list[AccountId]:
    rows = await pool.fetch(
        "SELECT account_id FROM usage_ranks ORDER BY tokens_used, account_id OFFSET $1 LIMIT $2",
        offset,
        limit,
    )
    return [AccountId(row["account_id"]) for row in rows]


async def list_by_usage_falling(pool: Pool, *, offset: int, limit: int) -> list[AccountId]:
    rows = await pool.fetch(
        "SELECT account_id FROM usage_ranks ORDER BY tokens_used DESC, account_id DESC OFFSET $1 LIMIT $2",
        offset,
        limit,
    )
    return [AccountId(row["account_id"]) for row in rows]


async def count_open(pool: Pool) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM accounts WHERE closed_at IS NULL")
    return count


async def sum_up(pool: Pool, now: datetime) -> Sums:
    """Of the accounts that are not closed, each as domain/balances.py has it: what has ended or is frozen does
    not count, and what is owed comes off."""
    row = await pool.fetchrow(
        """
        SELECT count(*) AS accounts,
            coalesce(sum(greatest(coalesce(paid, 0) + coalesce(ending, 0) - coalesce(owed, 0), 0)), 0)::bigint
                AS tokens_available,
            coalesce(sum(greatest(coalesce(owed, 0) - coalesce(paid, 0), 0)), 0)::bigint AS tokens_debt
        FROM accounts LEFT JOIN (
            SELECT account_id,
                sum(remaining) FILTER (WHERE expires_at IS NULL AND NOT is_frozen) AS paid,
                sum(remaining) FILTER (WHERE expires_at > $1) AS ending
            FROM grants WHERE closed_at IS NULL AND remaining > 0
            GROUP BY account_id
        ) AS spendable USING (account_id)
        LEFT JOIN (
            SELECT account_id, sum(least(tokens_to_reverse, tokens) - tokens_reversed) AS owed
            FROM purchases JOIN grants USING (grant_id, account_id)
            WHERE tokens_reversed < tokens_to_reverse
            GROUP BY account_id
        ) AS debts USING (account_id)
        WHERE accounts.closed_at IS NULL
        """,
        now,
    )
    assert row is not None  # an aggregate
    return Sums(**row)


async def list_system_days(pool: Pool, *, since: date, live_from: date) -> list[UsageDay]:
    """Newest first. From `live_from` on as it stands now, before it as it was last summed up."""
    rows = await pool.fetch(
        """
        SELECT day, sum(requests)::bigint AS requests, sum(tokens_prompt)::bigint AS tokens_prompt,
            sum(tokens_completion)::bigint AS tokens_completion
        FROM daily_usage WHERE day >= $1 AND day >= $2 GROUP BY day
        UNION ALL
        SELECT day, requests, tokens_prompt, tokens_completion FROM system_days WHERE day >= $1 AND day < $2
        ORDER BY day DESC
        """,
        since,
        live_from,
    )
    return [UsageDay(**row) for row in rows]


async def take_turn(connection: Connection) -> bool:
    """False while another replica sums up: once is enough."""
    taken: bool = await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtext('metering'), hashtext('summaries'))"
    )
    return taken


async def renew_ranks(connection: Connection, *, since: date) -> None:
    """What changed is written, nothing else."""
    await connection.execute(
        """
        INSERT INTO usage_ranks (account_id, tokens_used)
        SELECT account_id, coalesce(used.tokens, 0) FROM accounts LEFT JOIN (
            SELECT account_id, sum(tokens_prompt + tokens_completion)::bigint AS tokens
            FROM daily_usage WHERE day >= $1 GROUP BY account_id
        ) AS used USING (account_id)
        LEFT JOIN usage_ranks AS known USING (account_id)
        WHERE closed_at IS NULL AND known.tokens_used IS DISTINCT FROM coalesce(used.tokens, 0)
        ON CONFLICT (account_id) DO UPDATE SET tokens_used = excluded.tokens_used
        """,
        since,
    )
    await connection.execute(
        """
        DELETE FROM usage_ranks
        WHERE account_id IN (SELECT account_id FROM accounts WHERE closed_at IS NOT NULL)
        """
    )


async def renew_system_days(connection: Connection, *, since: date) -> None:
    await connection.execute(
        """
        INSERT INTO system_days (day, requests, tokens_prompt, tokens_completion)
        SELECT day, sum(requests), sum(tokens_prompt), sum(tokens_completion)
        FROM daily_usage WHERE day >= $1 GROUP BY day
        ON CONFLICT (day) DO UPDATE SET requests = excluded.requests,
            tokens_prompt = excluded.tokens_prompt, tokens_completion = excluded.tokens_completion
        """,
        since,
    )
