"""Accounts and trials taken, in PostgreSQL. What writes runs in the caller's transaction."""

from dataclasses import dataclass
from datetime import datetime

from shared.ids import AccountId
from shared.postgres import Connection, Pool


@dataclass(frozen=True, slots=True)
class AccountSeen:
    """An account without its address; one that was erased is still an account in the books."""

    account_id: AccountId
    registered_at: datetime
    has_trial: bool


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


async def note_trial(connection: Connection, account_id: AccountId) -> None:
    await connection.execute("UPDATE accounts SET has_trial = true WHERE account_id = $1", account_id)


async def list_accounts(pool: Pool, *, after: str, limit: int) -> list[AccountSeen]:
    """By account id, those behind `after`. `registered_at` is when the account was made."""
    rows = await pool.fetch(
        """
        SELECT account_id, created_at, has_trial FROM accounts
        WHERE account_id > $1 COLLATE "C" ORDER BY account_id COLLATE "C" LIMIT $2
        """,
        after,
        limit,
    )
    return [AccountSeen(AccountId(row["account_id"]), row["created_at"], row["has_trial"]) for row in rows]


async def lock(connection: Connection, account_id: AccountId) -> bool:
    """Until the transaction ends, one change of an account's keys at a time. False when it is erased."""
    is_there = await connection.fetchval(
        "SELECT deleted_at IS NULL FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE", account_id
    )
    return bool(is_there)


async def mark_blocked(connection: Connection, account_id: AccountId, blocked_at: datetime | None) -> bool:
    """False when it was so before."""
    changed = await connection.fetchval(
        """
        UPDATE accounts SET blocked_at = $2::timestamptz
        WHERE account_id = $1 AND (blocked_at IS NULL) <> ($2::timestamptz IS NULL) AND deleted_at IS NULL
        RETURNING account_id
        """,
        account_id,
        blocked_at,
    )
    return changed is not None


async def erase_person(connection: Connection, account_id: AccountId, *, now: datetime) -> bool:
    """False when it was done before."""
    erased = await connection.fetchval(
        """
        UPDATE accounts SET email = NULL, deleted_at = $2 WHERE account_id = $1 AND deleted_at IS NULL
        RETURNING account_id
        """,
        account_id,
        now,
    )
    return erased is not None


async def forget_events_of_erased(pool: Pool, *, since: datetime) -> None:
    """What was published of accounts that were erased since then: these events speak of a person."""
    await pool.execute(
        """
        DELETE FROM outbox USING accounts
        WHERE subject = account_id AND deleted_at >= $1 AND published_at IS NOT NULL
            AND type <> 'accounts.account_deleted.v1'
        """,
        since,
    )
