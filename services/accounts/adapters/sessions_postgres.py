"""Dashboard sessions in PostgreSQL, by the digest of their token. One ends with its key, its account, or its time."""

from datetime import datetime

import asyncpg

from services.accounts.domain.people import Holder
from shared.ids import AccountId, KeyDigest, KeyId
from shared.postgres import Connection, Pool


async def find_holder_by_key(pool: Pool, digest: KeyDigest, *, now: datetime) -> Holder | None:
    row = await pool.fetchrow(
        """
        SELECT account_id, email, key_id, display FROM api_keys JOIN accounts USING (account_id)
        WHERE digest = $1 AND state = 'active' AND (expires_at IS NULL OR expires_at > $2)
            AND blocked_at IS NULL AND deleted_at IS NULL
        """,
        digest,
        now,
    )
    return _holder(row)


async def find_holder_by_session(pool: Pool, digest: str, *, now: datetime) -> Holder | None:
    row = await pool.fetchrow(
        """
        SELECT account_id, email, key_id, display
        FROM sessions JOIN api_keys USING (key_id, account_id) JOIN accounts USING (account_id)
        WHERE sessions.digest = $1 AND sessions.expires_at > $2
            AND state = 'active' AND (api_keys.expires_at IS NULL OR api_keys.expires_at > $2)
            AND blocked_at IS NULL AND deleted_at IS NULL
        """,
        digest,
        now,
    )
    return _holder(row)


async def add_session(
    connection: Connection, digest: str, holder: Holder, *, now: datetime, expires_at: datetime
) -> None:
    await connection.execute(
        """
        INSERT INTO sessions (digest, account_id, key_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)
        """,
        digest,
        holder.account_id,
        holder.key_id,
        now,
        expires_at,
    )


async def end_soonest(connection: Connection, account_id: AccountId, *, kept: int) -> None:
    """Ends all but those that would live longest."""
    await connection.execute(
        """
        DELETE FROM sessions WHERE digest IN (
            SELECT digest FROM sessions WHERE account_id = $1 ORDER BY expires_at DESC OFFSET $2
        )
        """,
        account_id,
        kept,
    )


async def end_session(pool: Pool, digest: str) -> None:
    await pool.execute("DELETE FROM sessions WHERE digest = $1", digest)


async def end_all(connection: Connection, account_id: AccountId) -> None:
    await connection.execute("DELETE FROM sessions WHERE account_id = $1", account_id)


async def forget_ended(pool: Pool | Connection, *, now: datetime) -> None:
    """Rows of sessions that nobody can use any more."""
    await pool.execute("DELETE FROM sessions WHERE expires_at <= $1", now)


def _holder(row: asyncpg.Record | None) -> Holder | None:
    if row is None:
        return None
    return Holder(AccountId(row["account_id"]), row["email"], KeyId(str(row["key_id"])), row["display"])
