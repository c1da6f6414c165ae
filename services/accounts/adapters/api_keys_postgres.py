"""API keys in PostgreSQL: digests and states, never a key. A key's version counts its changes, and the view
`key_records` says what the gateways are to know: keys of a blocked account are refused there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import asyncpg

from shared.admission.key_records import KeyState
from shared.ids import AccountId, KeyDigest, KeyId
from shared.postgres import Connection, Pool

Kind = Literal["mailed", "dashboard"]


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What the gateways must know of a key."""

    key_id: KeyId
    account_id: AccountId
    digest: KeyDigest
    state: KeyState
    version: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, as it is stored."""

    key_id: KeyId
    account_id: AccountId
    digest: KeyDigest
    display: str
    kind: Kind
    name: str
    expires_at: datetime | None


async def add_key(connection: Connection, key: NewKey, *, now: datetime) -> StoredKey:
    """As the gateways are to know it: of a blocked account it is refused from the start."""
    await connection.execute(
        """
        INSERT INTO api_keys (key_id, account_id, digest, display, kind, name, expires_at, state, version, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', 1, $8)
        """,
        key.key_id,
        key.account_id,
        key.digest,
        key.display,
        key.kind,
        key.name,
        key.expires_at,
        now,
    )
    [stored] = await _records(connection, [key.key_id])
    return stored


async def exists(connection: Connection, key_id: KeyId) -> bool:
    found: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM api_keys WHERE key_id = $1)", key_id)
    return found


async def revoke_mailed_key(
    connection: Connection, account_id: AccountId, *, now: datetime
) -> list[StoredKey]:
    """The mailed key that was active until now, if there was one."""
    rows = await connection.fetch(
        """
        UPDATE api_keys SET state = 'revoked', revoked_at = $2, version = version + 1
        WHERE account_id = $1 AND kind = 'mailed' AND state = 'active'
        RETURNING key_id
        """,
        account_id,
        now,
    )
    return await _records(connection, [row["key_id"] for row in rows])


async def revoke_key(
    connection: Connection, account_id: AccountId, key_id: KeyId, *, now: datetime
) -> list[StoredKey]:
    """Nothing where the account has no such active key."""
    rows = await connection.fetch(
        """
        UPDATE api_keys SET state = 'revoked', revoked_at = $3, version = version + 1
        WHERE account_id = $1 AND key_id = $2 AND state = 'active'
        RETURNING key_id
        """,
        account_id,
        key_id,
        now,
    )
    return await _records(connection, [row["key_id"] for row in rows])


async def revoke_all(connection: Connection, account_id: AccountId, *, now: datetime) -> list[StoredKey]:
    """Every active key, and nothing is kept of how their holder named them."""
    rows = await connection.fetch(
        """
        UPDATE api_keys SET state = 'revoked', revoked_at = $2, version = version + 1
        WHERE account_id = $1 AND state = 'active'
        RETURNING key_id
        """,
        account_id,
        now,
    )
    await connection.execute("UPDATE api_keys SET name = '' WHERE account_id = $1", account_id)
    return await _records(connection, [row["key_id"] for row in rows])


async def revoke_expired(pool: Pool, *, now: datetime) -> int:
    """Keys whose end has come; how many they were. The mirror loop takes them on."""
    rows = await pool.fetch(
        """
        UPDATE api_keys SET state = 'revoked', revoked_at = $1, version = version + 1
        WHERE state = 'active' AND expires_at <= $1
        RETURNING key_id
        """,
        now,
    )
    return len(rows)


async def announce_again(connection: Connection, account_id: AccountId) -> list[StoredKey]:
    """The active keys, as a change of their account: the gateways take a newer version over what they know."""
    rows = await connection.fetch(
        """
        UPDATE api_keys SET version = version + 1 WHERE account_id = $1 AND state = 'active'
        RETURNING key_id
        """,
        account_id,
    )
    return await _records(connection, [row["key_id"] for row in rows])


async def end_at(connection: Connection, key_id: KeyId, *, expires_at: datetime) -> list[StoredKey]:
    """Gives an active key an end, or an earlier one."""
    rows = await connection.fetch(
        """
        UPDATE api_keys SET expires_at = least(expires_at, $2), version = version + 1
        WHERE key_id = $1 AND state = 'active'
        RETURNING key_id
        """,
        key_id,
        expires_at,
    )
    return await _records(connection, [row["key_id"] for row in rows])


async def find_key(pool: Pool, digest: KeyDigest) -> StoredKey | None:
    """Also a revoked one: the gateways must be told that, too."""
    row = await pool.fetchrow(
        "SELECT key_id, account_id, digest, state, version, expires_at FROM key_records WHERE digest = $1",
        digest,
    )
    return None if row is None else _stored_key(row)


async def list_unmirrored(pool: Pool, *, limit: int) -> list[StoredKey]:
    rows = await pool.fetch(
        """
        SELECT key_id, account_id, digest, state, version, expires_at FROM key_records
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


async def _records(connection: Connection, key_ids: Sequence[object]) -> list[StoredKey]:
    rows = await connection.fetch(
        """
        SELECT key_id, account_id, digest, state, version, expires_at FROM key_records
        WHERE key_id = ANY ($1::uuid[]) ORDER BY key_id
        """,
        key_ids,
    )
    return [_stored_key(row) for row in rows]


def _stored_key(row: asyncpg.Record) -> StoredKey:
    return StoredKey(
        key_id=KeyId(str(row["key_id"])),
        account_id=AccountId(row["account_id"]),
        digest=KeyDigest(row["digest"]),
        state=KeyState(row["state"]),
        version=row["version"],
        expires_at=row["expires_at"],
    )
