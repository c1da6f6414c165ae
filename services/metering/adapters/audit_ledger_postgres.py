"""The ledger's rows as the audit reads them, for some accounts at a time. Sums are made here, from rows, never
taken from where they are stored."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, date, datetime, time

from services.metering.domain.audit.facts import (
    AccountFacts,
    EntryFacts,
    GrantFacts,
    PurchaseFacts,
    UnlikeDay,
    UnlikeUsage,
)
from shared.ids import AccountId
from shared.postgres import Connection, Pool

ROWS_MAX = 1000
"""Of one kind of difference, of one chunk of accounts."""
ENTRIES_AT_ONCE = 1000


async def list_accounts(pool: Pool, *, after: str, limit: int) -> dict[AccountId, int]:
    """In the order of their ids, with the version that Redis is known to have."""
    rows = await pool.fetch(
        "SELECT account_id, mirrored_version FROM accounts WHERE account_id > $1 ORDER BY account_id LIMIT $2",
        after,
        limit,
    )
    return {AccountId(row["account_id"]): row["mirrored_version"] for row in rows}


async def read_mirrored(pool: Pool, account_ids: Collection[AccountId]) -> dict[AccountId, int]:
    """The version of each that Redis is known to have."""
    rows = await pool.fetch(
        "SELECT account_id, mirrored_version FROM accounts WHERE account_id = ANY($1)", list(account_ids)
    )
    return {AccountId(row["account_id"]): row["mirrored_version"] for row in rows}


async def read_accounts(connection: Connection, account_ids: Collection[AccountId]) -> list[AccountFacts]:
    rows = await connection.fetch(
        """
        SELECT account_id, balance, version, closed_at IS NOT NULL AS is_closed FROM accounts
        WHERE account_id = ANY($1)
        """,
        list(account_ids),
    )
    return [AccountFacts(**row) for row in rows]


async def read_grants(connection: Connection, account_ids: Collection[AccountId]) -> list[GrantFacts]:
    rows = await connection.fetch(
        """
        SELECT grants.grant_id, grants.account_id, grants.kind, source, grants.tokens, remaining, expires_at,
            grants.created_at, closed_at IS NOT NULL AS is_closed, is_frozen,
            coalesce(fillings, 0) AS fillings, coalesce(filled, 0)::bigint AS filled,
            coalesce(used, 0)::bigint AS used, coalesce(expired, 0)::bigint AS expired,
            coalesce(reversed, 0)::bigint AS reversed, coalesce(adjusted, 0)::bigint AS adjusted,
            adjustments.delta AS adjustment_delta
        FROM grants
        LEFT JOIN adjustments ON grants.kind = 'adjustment' AND source = 'adjustment:' || adjustment_id
        LEFT JOIN (
            SELECT grant_id,
                count(*) FILTER (WHERE kind = 'grant') AS fillings,
                sum(tokens) FILTER (WHERE kind = 'grant') AS filled,
                sum(tokens) FILTER (WHERE kind IN ('usage', 'correction')) AS used,
                sum(tokens) FILTER (WHERE kind = 'expiry') AS expired,
                sum(tokens) FILTER (WHERE kind = 'reversal') AS reversed,
                sum(tokens) FILTER (WHERE kind = 'adjustment') AS adjusted
            FROM entries WHERE account_id = ANY($1)
            GROUP BY grant_id
        ) AS sums USING (grant_id)
        WHERE grants.account_id = ANY($1)
        """,
        list(account_ids),
    )
    return [GrantFacts(**row) for row in rows]


async def read_purchases(connection: Connection, account_ids: Collection[AccountId]) -> list[PurchaseFacts]:
    rows = await connection.fetch(
        """
        SELECT purchase_id, purchases.account_id, purchases.grant_id, tokens, tokens_to_reverse,
            tokens_reversed, freeze_revision > 0 OR purchases.is_frozen AS was_frozen,
            coalesce((
                SELECT -sum(entries.tokens) FROM entries
                WHERE entries.purchase_id = purchases.purchase_id AND kind = 'reversal'
            ), 0)::bigint AS reversed_by_entries
        FROM purchases LEFT JOIN grants USING (grant_id)
        WHERE purchases.account_id = ANY($1)
        """,
        list(account_ids),
    )
    return [PurchaseFacts(**row) for row in rows]


async def oldest_kept(connection: Connection) -> datetime:
    """The begin of the first month whose usage is kept: older requests have entries and no usage rows."""
    month: date = await connection.fetchval(
        """
        SELECT min(to_date(right(child.relname, 7), 'YYYY_MM')) FROM pg_inherits
        JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid
        WHERE pg_inherits.inhparent = 'usage'::regclass AND child.relname ~ '^usage_[0-9]{4}_[0-9]{2}$'
        """
    )
    return datetime.combine(month, time.min, UTC)


async def list_usage_unlike_entries(
    connection: Connection, account_ids: Collection[AccountId], kept_from: datetime
) -> list[UnlikeUsage]:
    """A revision charges what it adds to the one before."""
    rows = await connection.fetch(
        """
        WITH charges AS (
            SELECT account_id, request_id, revision,
                tokens_prompt + tokens_completion - tokens_uncollected - coalesce(
                    lag(tokens_prompt + tokens_completion - tokens_uncollected)
                        OVER (PARTITION BY request_id ORDER BY revision), 0
                ) AS charged
            FROM usage WHERE account_id = ANY($1) AND request_id >= first_request_id($2)
        ), collections AS (
            SELECT account_id, request_id, revision, -sum(tokens)::bigint AS collected
            FROM entries WHERE account_id = ANY($1) AND request_id >= first_request_id($2)
            GROUP BY account_id, request_id, revision
        )
        SELECT account_id, request_id, revision, charged, collected
        FROM charges FULL JOIN collections USING (account_id, request_id, revision)
        WHERE charged IS NULL OR charged <> coalesce(collected, 0)
        ORDER BY request_id, revision LIMIT $3
        """,
        list(account_ids),
        kept_from,
        ROWS_MAX,
    )
    return [UnlikeUsage(**row) for row in rows]


async def list_days_unlike_usage(
    connection: Connection, account_ids: Collection[AccountId], kept_from: datetime
) -> list[UnlikeDay]:
    """Of the days after the first of which requests are kept: that one's first may be gone."""
    rows = await connection.fetch(
        """
        WITH counted AS (
            SELECT account_id, (admitted_at AT TIME ZONE 'UTC')::date AS day, model, key_id, ARRAY[
                count(*), sum(tokens_prompt), sum(tokens_completion), sum(tokens_cached)
            ]::bigint[] AS counted
            FROM (
                SELECT DISTINCT ON (request_id) * FROM usage
                WHERE account_id = ANY($1) ORDER BY request_id, revision DESC
            ) AS latest
            GROUP BY 1, 2, 3, 4
        ), totals AS (
            SELECT account_id, day, model, key_id,
                ARRAY[requests, tokens_prompt, tokens_completion, tokens_cached] AS total
            FROM daily_usage WHERE account_id = ANY($1)
        )
        SELECT account_id, to_char(day, 'YYYY-MM-DD') AS day, model, key_id,
            coalesce(total, '{0,0,0,0}') AS total, coalesce(counted, '{0,0,0,0}') AS counted
        FROM counted FULL JOIN totals USING (account_id, day, model, key_id)
        WHERE day > $2 AND coalesce(total, '{0,0,0,0}') <> coalesce(counted, '{0,0,0,0}')
        ORDER BY account_id, day, model, key_id LIMIT $3
        """,
        list(account_ids),
        kept_from.date(),
        ROWS_MAX,
    )
    return [
        UnlikeDay(**{**row, "total": tuple(row["total"]), "counted": tuple(row["counted"])}) for row in rows
    ]


async def stream_entries(
    connection: Connection, account_ids: Collection[AccountId]
) -> AsyncIterator[EntryFacts]:
    """By account, in the order of posting; a few at a time, however many there are."""
    cursor = connection.cursor(
        """
        SELECT entries.account_id, entry_id, grant_id, tokens, request_id, revision, admitted_at
        FROM entries LEFT JOIN usage USING (request_id, revision)
        WHERE entries.account_id = ANY($1)
        ORDER BY entries.account_id, entry_id
        """,
        list(account_ids),
        prefetch=ENTRIES_AT_ONCE,
    )
    async for row in cursor:
        yield EntryFacts(**row)
