"""Links by which the holder of an address asks for a new key: each used once, within its time."""

from datetime import datetime

from services.accounts.domain.people import Person
from shared.ids import AccountId
from shared.postgres import Connection, Pool


async def add(connection: Connection, digest: str, account_id: AccountId, *, expires_at: datetime) -> None:
    await connection.execute(
        "INSERT INTO recoveries (digest, account_id, expires_at) VALUES ($1, $2, $3)",
        digest,
        account_id,
        expires_at,
    )


async def use(connection: Connection, digest: str, *, now: datetime) -> Person | None:
    """Whoever the link was mailed to, with the account's row locked. All other links of the account end with it."""
    account_id = await connection.fetchval(
        "SELECT account_id FROM recoveries WHERE digest = $1 AND expires_at > $2", digest, now
    )
    row = await connection.fetchrow(
        """
        SELECT account_id, user_id, email FROM accounts
        WHERE account_id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE
        """,
        account_id,
    )
    ended = await connection.fetch(
        "DELETE FROM recoveries WHERE account_id = $1 RETURNING digest", account_id
    )
    if row is None or digest not in {each["digest"] for each in ended}:
        return None
    return Person(AccountId(row["account_id"]), row["user_id"], row["email"])


async def forget_ended(pool: Pool, *, now: datetime) -> None:
    await pool.execute("DELETE FROM recoveries WHERE expires_at <= $1", now)
