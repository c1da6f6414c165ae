"""The keys of an account as its holder and the operator see them."""

from collections.abc import Sequence

from services.accounts.domain.keys import Key
from shared.ids import AccountId, KeyId
from shared.postgres import Connection, Pool

KEYS_SHOWN_MAX = 100
"""Revoked ones stay in the table for ever; the newest of them are enough to look at."""


async def list_keys(pool: Pool, account_id: AccountId) -> Sequence[Key]:
    """Active ones first, then the newest."""
    rows = await pool.fetch(
        """
        SELECT key_id, name, display, kind, state, created_at, expires_at, revoked_at
        FROM api_keys WHERE account_id = $1
        ORDER BY state, created_at DESC
        LIMIT $2
        """,
        account_id,
        KEYS_SHOWN_MAX,
    )
    return [Key(**{**row, "key_id": KeyId(str(row["key_id"]))}) for row in rows]


async def find_active_key(connection: Connection, account_id: AccountId, key_id: KeyId) -> Key | None:
    row = await connection.fetchrow(
        """
        SELECT key_id, name, display, kind, state, created_at, expires_at, revoked_at
        FROM api_keys WHERE account_id = $1 AND key_id = $2 AND state = 'active'
        """,
        account_id,
        key_id,
    )
    return None if row is None else Key(**{**row, "key_id": KeyId(str(row["key_id"]))})


async def count_active(connection: Connection, account_id: AccountId) -> int:
    found: int = await connection.fetchval(
        "SELECT count(*) FROM api_keys WHERE account_id = $1 AND state = 'active'", account_id
    )
    return found
