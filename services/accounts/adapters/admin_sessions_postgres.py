"""The browsers in which the operator is signed in, by the digest of their token and of the key they used."""

from datetime import datetime

from shared.postgres import Pool


async def add_session(
    pool: Pool, digest: str, *, key_digest: str, now: datetime, expires_at: datetime
) -> None:
    await pool.execute("DELETE FROM admin_sessions WHERE expires_at <= $1", now)
    await pool.execute(
        "INSERT INTO admin_sessions (digest, key_digest, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        digest,
        key_digest,
        now,
        expires_at,
    )


async def end_soonest(pool: Pool, *, kept: int) -> None:
    """Ends all but those that would live longest."""
    await pool.execute(
        """
        DELETE FROM admin_sessions WHERE digest IN (
            SELECT digest FROM admin_sessions ORDER BY expires_at DESC OFFSET $1
        )
        """,
        kept,
    )


async def is_open(pool: Pool, digest: str, *, key_digest: str, now: datetime) -> bool:
    found: bool = await pool.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM admin_sessions WHERE digest = $1 AND key_digest = $2 AND expires_at > $3
        )
        """,
        digest,
        key_digest,
        now,
    )
    return found


async def end_session(pool: Pool, digest: str) -> None:
    await pool.execute("DELETE FROM admin_sessions WHERE digest = $1", digest)
