"""Purchases as billing's events left them, and what is owed. The caller of a change holds the account's lock."""

from collections.abc import Collection
from uuid import UUID

from asyncpg import Record

from services.metering.domain.purchases import Purchase
from shared.ids import AccountId
from shared.postgres import Connection, Pool


async def put_purchase(connection: Connection, purchase_id: str, account_id: AccountId) -> AccountId:
    """Makes it known, unpaid, unless it is; whose it is. The account must exist."""
    await connection.execute(
        "INSERT INTO purchases (purchase_id, account_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        purchase_id,
        account_id,
    )
    owner = await connection.fetchval("SELECT account_id FROM purchases WHERE purchase_id = $1", purchase_id)
    return AccountId(owner)


async def get_purchase(connection: Connection, purchase_id: str) -> Purchase:
    row = await connection.fetchrow(
        """
        SELECT purchase_id, grant_id, tokens, tokens_to_reverse, reversal_revision, tokens_reversed,
            purchases.is_frozen, freeze_revision
        FROM purchases LEFT JOIN grants USING (grant_id)
        WHERE purchase_id = $1
        """,
        purchase_id,
    )
    if row is None:
        raise LookupError(purchase_id)
    return _purchase_of(row)


async def store_purchase(connection: Connection, purchase: Purchase) -> None:
    """Its grant is frozen and released with it."""
    await connection.execute(
        """
        WITH stored AS (
            UPDATE purchases SET grant_id = $2, tokens_to_reverse = $3, reversal_revision = $4,
                tokens_reversed = $5, is_frozen = $6, freeze_revision = $7
            WHERE purchase_id = $1
        )
        UPDATE grants SET is_frozen = $6 WHERE grant_id = $2 AND is_frozen <> $6
        """,
        purchase.purchase_id,
        purchase.grant_id,
        purchase.tokens_to_reverse,
        purchase.reversal_revision,
        purchase.tokens_reversed,
        purchase.is_frozen,
        purchase.freeze_revision,
    )


async def list_reversed_from(connection: Connection, purchase_id: str) -> dict[UUID, int]:
    """What its reversal took from which grant so far, in the order in which it did."""
    rows = await connection.fetch(
        """
        SELECT grant_id, -sum(tokens)::bigint AS tokens FROM entries
        WHERE purchase_id = $1 AND kind = 'reversal'
        GROUP BY grant_id ORDER BY min(entry_id)
        """,
        purchase_id,
    )
    return {row["grant_id"]: row["tokens"] for row in rows}


async def list_owed(connection: Connection, account_ids: Collection[AccountId]) -> dict[AccountId, int]:
    """Per account that owes anything, how much."""
    rows = await connection.fetch(
        """
        SELECT account_id, sum(least(tokens_to_reverse, tokens) - tokens_reversed)::bigint AS owed
        FROM purchases JOIN grants USING (grant_id, account_id)
        WHERE account_id = ANY($1) AND grant_id IS NOT NULL AND tokens_reversed < tokens_to_reverse
        GROUP BY account_id
        """,
        list(account_ids),
    )
    return {AccountId(row["account_id"]): row["owed"] for row in rows}


async def list_owing(connection: Connection, account_id: AccountId) -> list[Purchase]:
    """The account's purchases that are not reversed as far as they should be, oldest first."""
    rows = await connection.fetch(
        """
        SELECT purchase_id, grant_id, tokens, tokens_to_reverse, reversal_revision, tokens_reversed,
            purchases.is_frozen, freeze_revision
        FROM purchases JOIN grants USING (grant_id, account_id)
        WHERE account_id = $1 AND grant_id IS NOT NULL AND tokens_reversed < least(tokens_to_reverse, tokens)
        ORDER BY created_at, purchase_id
        """,
        account_id,
    )
    return [_purchase_of(row) for row in rows]


async def list_debtors_with_tokens(pool: Pool, *, after: AccountId, limit: int) -> list[AccountId]:
    """Accounts that owe and have paid tokens to take it from, in the order of their ids."""
    rows = await pool.fetch(
        """
        SELECT DISTINCT owing.account_id
        FROM purchases AS owing
        JOIN grants AS own USING (grant_id, account_id)
        JOIN grants AS payer ON payer.account_id = owing.account_id AND payer.expires_at IS NULL
            AND payer.remaining > 0 AND (NOT payer.is_frozen OR payer.grant_id = owing.grant_id)
        WHERE owing.grant_id IS NOT NULL AND tokens_reversed < tokens_to_reverse
            AND tokens_reversed < own.tokens AND owing.account_id > $1
        ORDER BY owing.account_id LIMIT $2
        """,
        after,
        limit,
    )
    return [AccountId(row["account_id"]) for row in rows]


def _purchase_of(row: Record) -> Purchase:
    return Purchase(**dict(row))
