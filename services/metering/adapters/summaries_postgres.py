"""Sums over all accounts, renewed in one transaction: ranks, days, and what they come to."""

from datetime import date, datetime

from shared.postgres import Connection


async def take_turn(connection: Connection) -> bool:
    """False while another replica sums up: once is enough."""
    taken: bool = await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtext('metering'), hashtext('summaries'))"
    )
    return taken


async def renew_ranks(connection: Connection, now: datetime, *, used_since: date) -> None:
    """Each account as domain/balances.py has it: what has ended or is frozen does not count, what is owed comes
    off. Only what changed is written."""
    await connection.execute(
        """
        WITH spendable AS (
            SELECT account_id,
                coalesce(sum(remaining) FILTER (WHERE expires_at IS NULL AND NOT is_frozen), 0) AS paid,
                coalesce(sum(remaining) FILTER (WHERE expires_at > $1), 0) AS ending
            FROM grants WHERE closed_at IS NULL AND remaining > 0
            GROUP BY account_id
        ), debts AS (
            SELECT account_id, sum(least(tokens_to_reverse, tokens) - tokens_reversed) AS owed
            FROM purchases JOIN grants USING (grant_id, account_id)
            WHERE tokens_reversed < tokens_to_reverse
            GROUP BY account_id
        ), used AS (
            SELECT account_id, sum(tokens_prompt + tokens_completion)::bigint AS tokens
            FROM daily_usage WHERE day >= $2 GROUP BY account_id
        ), ranked AS (
            SELECT account_id, coalesce(tokens, 0) AS tokens_used,
                greatest(coalesce(paid, 0) + coalesce(ending, 0) - coalesce(owed, 0), 0)::bigint AS available,
                greatest(coalesce(owed, 0) - coalesce(paid, 0), 0)::bigint AS debt
            FROM accounts LEFT JOIN spendable USING (account_id) LEFT JOIN debts USING (account_id)
            LEFT JOIN used USING (account_id)
            WHERE accounts.closed_at IS NULL
        )
        INSERT INTO account_ranks (account_id, available, debt, tokens_used)
        SELECT account_id, ranked.available, ranked.debt, ranked.tokens_used
        FROM ranked LEFT JOIN account_ranks AS known USING (account_id)
        WHERE (known.available, known.debt, known.tokens_used)
            IS DISTINCT FROM (ranked.available, ranked.debt, ranked.tokens_used)
        ON CONFLICT (account_id) DO UPDATE SET available = excluded.available, debt = excluded.debt,
            tokens_used = excluded.tokens_used
        """,
        now,
        used_since,
    )
    await connection.execute(
        """
        DELETE FROM account_ranks
        WHERE account_id IN (SELECT account_id FROM accounts WHERE closed_at IS NOT NULL)
        """
    )


async def renew_sums(connection: Connection) -> None:
    """From the ranks."""
    await connection.execute(
        """
        UPDATE system_sums SET accounts = ranks.accounts, tokens_available = ranks.available,
            tokens_debt = ranks.debt
        FROM (
            SELECT count(*) AS accounts, coalesce(sum(available), 0)::bigint AS available,
                coalesce(sum(debt), 0)::bigint AS debt
            FROM account_ranks
        ) AS ranks
        """
    )


async def renew_days(connection: Connection, *, since: date) -> None:
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
