"""What the audit lays beside what others know: credits by source, accounts, posted requests."""

from collections.abc import Collection, Mapping
from uuid import UUID

from services.metering.domain.audit.orders import Given
from shared.ids import AccountId
from shared.postgres import Pool


async def list_given(pool: Pool, sources: Collection[str]) -> dict[str, Given]:
    """By source, with what its entries filled it with."""
    rows = await pool.fetch(
        """
        SELECT grants.account_id, source, coalesce(sum(entries.tokens), 0)::bigint AS tokens
        FROM grants LEFT JOIN entries ON entries.grant_id = grants.grant_id AND entries.kind = 'grant'
        WHERE source = ANY($1)
        GROUP BY grants.account_id, source
        """,
        list(sources),
    )
    return {row["source"]: Given(**row) for row in rows}


async def list_purchase_grants(pool: Pool, *, after: str, limit: int) -> list[Given]:
    """By source; those younger than a minute may be of an order that was just paid."""
    rows = await pool.fetch(
        """
        SELECT account_id, source, tokens FROM grants
        WHERE kind = 'purchase' AND source > $1 AND created_at < now() - interval '60 s'
        ORDER BY source LIMIT $2
        """,
        after,
        limit,
    )
    return [Given(**row) for row in rows]


async def list_known(pool: Pool, account_ids: Collection[str]) -> set[str]:
    rows = await pool.fetch("SELECT account_id FROM accounts WHERE account_id = ANY($1)", list(account_ids))
    return {row["account_id"] for row in rows}


async def list_open_accounts(pool: Pool, *, after: str, limit: int) -> list[str]:
    """Those that are older than a minute."""
    rows = await pool.fetch(
        """
        SELECT account_id FROM accounts
        WHERE closed_at IS NULL AND account_id > $1 AND created_at < now() - interval '60 s'
        ORDER BY account_id LIMIT $2
        """,
        after,
        limit,
    )
    return [row["account_id"] for row in rows]


async def list_posted_counts(
    pool: Pool, request_ids: Collection[UUID]
) -> dict[UUID, dict[int, tuple[int, int]]]:
    rows = await pool.fetch(
        """
        SELECT request_id, revision, tokens_prompt, tokens_completion FROM usage
        WHERE request_id = ANY($1)
        """,
        list(request_ids),
    )
    posted: dict[UUID, dict[int, tuple[int, int]]] = {}
    for row in rows:
        counts = (row["tokens_prompt"], row["tokens_completion"])
        posted.setdefault(row["request_id"], {})[row["revision"]] = counts
    return posted


async def list_behind(pool: Pool, versions: Mapping[AccountId, int]) -> set[AccountId]:
    """Those of which Redis has not heard up to that version."""
    rows = await pool.fetch(
        """
        SELECT account_id FROM accounts
        JOIN unnest($1::text[], $2::bigint[]) AS asked (account_id, version) USING (account_id)
        WHERE accounts.mirrored_version < asked.version
        """,
        list(versions),
        list(versions.values()),
    )
    return {AccountId(row["account_id"]) for row in rows}
