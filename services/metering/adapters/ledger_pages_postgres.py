"""An account's grants and entries, a page at a time."""

from shared.contracts.internal.metering import EntrySeen, GrantSeen
from shared.ids import AccountId
from shared.postgres import Pool


async def list_grants(pool: Pool, account_id: AccountId, *, limit: int) -> list[GrantSeen]:
    """Newest first."""
    rows = await pool.fetch(
        """
        SELECT grants.grant_id, kind, source, tokens, remaining, grants.is_frozen AS frozen,
            coalesce(tokens_to_reverse, 0) AS tokens_to_reverse, expires_at, created_at, closed_at
        FROM grants LEFT JOIN purchases USING (grant_id)
        WHERE grants.account_id = $1
        ORDER BY created_at DESC, grants.grant_id DESC LIMIT $2
        """,
        account_id,
        limit,
    )
    return [GrantSeen(**row) for row in rows]


async def list_entries(
    pool: Pool, account_id: AccountId, *, before: int | None, limit: int
) -> list[EntrySeen]:
    """Newest first; those before the entry `before`."""
    rows = await pool.fetch(
        """
        SELECT entry_id, grant_id, kind, tokens, request_id, reason, created_at
        FROM entries WHERE account_id = $1 AND ($2::bigint IS NULL OR entry_id < $2)
        ORDER BY entry_id DESC LIMIT $3
        """,
        account_id,
        before,
        limit,
    )
    return [EntrySeen(**row) for row in rows]
