"""API keys in PostgreSQL: digests and states, never a key. A key's version counts its changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from shared.admission.key_records import KeyState
from shared.ids import AccountId, KeyDigest, KeyId
from shared.postgres import Connection, Pool


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What the gateways must know of a key."""

    key_id: KeyId
    account_id: AccountId
    digest: KeyDigest
    state: KeyState
    version: int


async def revoke_mailed_key(
    connection: Connection, account_id: AccountId, *, now: datetime
) -> StoredKey | None:
    """The mailed key that was active until now, if there was one."""
    row = await connection.fetchrow(
        """
        UPDATE api_keys SET state = 'revoked', revoked_at = $2, version = version + 1
        WHERE account_id = $1 AND kind = 'mailed' AND state = 'active'
        RETURNING key_id, account_id, digest, state, version
        """,
        account_id,
        now,
    )
    return None if row is None else _stored_key(row)


async def add_mailed_key(
    connection: Connection,
    *,
    key_id: KeyId,
    account_id: AccountId,
    digest: KeyDigest,
    display: str,
    now: datetime,
) -> StoredKey:
    await connection.execute(
        """
        INSERT INTO api_keys (key_id, account_id, digest, display, kind, state, version, created_at)
        VALUES ($1, $2, $3, $4, 'mailed', 'active', 1, $5)
        """,
        key_id,
        account_id,
        digest,
        display,
        now,
    )
    return StoredKey(key_id, account_id, digest, KeyState.ACTIVE, version=1)


async def find_key(pool: Pool, digest: KeyDigest) -> StoredKey | None:
    """Also a revoked one: the gateways must be told that, too."""
    row = await pool.fetchrow(
        "SELECT key_id, account_id, digest, state, version FROM key_records WHERE digest = $1", digest
    )
    return None if row is None else _stored_key(row)


async def list_unmirrored(pool: Pool, *, limit: int) -> list[StoredKey]:
    rows = await pool.fetch(
        """
        SELECT key_id, account_id, digest, state, version FROM key_records
        WHERE mirrored_version < version
        ORDER BY key_id
        LIMIT $1
        """,
        limit,
    )
    return [_stored_key(row) for row in rows]


async def mark_mirrored(pool: Pool, keys: Sequence[StoredKey]) -> None:
    """Up to the versions given: a key that changed meanwhile stays unmirrored."""
    await pool.execute(
        """
        UPDATE api_keys SET mirrored_version = written.version
        FROM unnest($1::uuid[], $2::bigint[]) AS written (key_id, version)
        WHERE api_keys.key_id = written.key_id AND api_keys.mirrored_version < written.version
        """,
        [key.key_id for key in keys],
        [key.version for key in keys],
    )


async def forget_mirrored(pool: Pool) -> None:
    """Has every active key mirrored again."""
    await pool.execute(
        "UPDATE api_keys SET mirrored_version = 0 WHERE state = 'active' AND mirrored_version > 0"
    )


def _stored_key(row: asyncpg.Record) -> StoredKey:
    return StoredKey(
        key_id=KeyId(str(row["key_id"])),
        account_id=AccountId(row["account_id"]),
        digest=KeyDigest(row["digest"]),
        state=KeyState(row["state"]),
        version=row["version"],
    )
