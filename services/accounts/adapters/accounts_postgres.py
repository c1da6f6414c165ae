"""Accounts and trials taken, in PostgreSQL. Each function runs in the caller's transaction."""

from datetime import datetime

from shared.ids import AccountId
from shared.postgres import Connection


async def register_address(
    connection: Connection, *, email: str, offered_id: AccountId, now: datetime
) -> AccountId:
    """The address's account: a new one gets `offered_id`, a known one keeps its own.

    Locks the account's row, so that registrations of one address follow each other. Raises
    UniqueViolationError where another address has the offered id: one in 2e14, and trying again helps.
    """
    account_id = await connection.fetchval(
        """
        INSERT INTO accounts (account_id, email, created_at, registered_at) VALUES ($1, $2, $3, $3)
        ON CONFLICT (email) DO UPDATE SET registered_at = excluded.registered_at
        RETURNING account_id
        """,
        offered_id,
        email,
        now,
    )
    return AccountId(account_id)


async def take_trial(connection: Connection, *, address_hash: str, now: datetime) -> bool:
    """False when it was taken before."""
    taken = await connection.fetchval(
        """
        INSERT INTO trials_taken (address_hash, taken_at) VALUES ($1, $2)
        ON CONFLICT DO NOTHING
        RETURNING address_hash
        """,
        address_hash,
        now,
    )
    return taken is not None
