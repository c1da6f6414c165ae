"""The accounts of the ledger: opening and closing, the lock a posting takes, and what Redis has heard.

Rows are locked in the order of their ids, so that two postings never wait for each other.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.ids import AccountId
from shared.postgres import Connection, Pool


@dataclass(frozen=True, slots=True)
class LockedAccount:
    version: int
    closed_at: datetime | None


async def open_account(connection: Connection, account_id: AccountId, now: datetime) -> None:
    """Opening it again changes nothing."""
    await connection.execute(
        "INSERT INTO accounts (account_id, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        account_id,
        now,
    )


async def close_account(connection: Connection, account_id: AccountId, now: datetime) -> bool:
    """False when the ledger does not know it. Closing it again keeps the first date."""
    closed = await connection.fetchval(
        """
        UPDATE accounts SET closed_at = coalesce(closed_at, $2), version = version + 1
        WHERE account_id = $1
        RETURNING account_id
        """,
        account_id,
        now,
    )
    return closed is not None


async def lock_accounts(connection: Connection, account_ids: Collection[AccountId]) -> set[AccountId]:
    """Those that exist, locked until the transaction ends."""
    rows = await connection.fetch(
        "SELECT account_id FROM accounts WHERE account_id = ANY($1) ORDER BY account_id FOR NO KEY UPDATE",
        list(account_ids),
    )
    return {AccountId(row["account_id"]) for row in rows}


async def lock_account(connection: Connection, account_id: AccountId) -> LockedAccount | None:
    """One of them, locked until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT version, closed_at FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE", account_id
    )
    return None if row is None else LockedAccount(**row)


async def find_version(pool: Pool, account_id: AccountId) -> int | None:
    version: int | None = await pool.fetchval(
        "SELECT version FROM accounts WHERE account_id = $1", account_id
    )
    return version


async def claim_first_opening(pool: Pool, account_ids: Collection[AccountId]) -> set[AccountId]:
    """Those that Redis was never told of. From now on it was, whether the caller gets there or not."""
    rows = await pool.fetch(
        """
        UPDATE accounts SET opened_at = now()
        WHERE opened_at IS NULL AND account_id IN (
            SELECT account_id FROM accounts WHERE account_id = ANY($1) AND opened_at IS NULL
            ORDER BY account_id FOR NO KEY UPDATE
        )
        RETURNING account_id
        """,
        list(account_ids),
    )
    return {AccountId(row["account_id"]) for row in rows}


async def list_accounts_to_mirror(pool: Pool, *, after: AccountId, limit: int) -> dict[AccountId, int]:
    """Accounts of whose latest version Redis has not heard, with that version, in the order of their ids."""
    rows = await pool.fetch(
        """
        SELECT account_id, version FROM accounts
        WHERE mirrored_version < version AND account_id > $1
        ORDER BY account_id LIMIT $2
        """,
        after,
        limit,
    )
    return {AccountId(row["account_id"]): row["version"] for row in rows}


async def mark_mirrored(pool: Pool, versions: Mapping[AccountId, int]) -> None:
    """An account that a posting has locked is left out: it gets a new version anyway."""
    await pool.execute(
        """
        UPDATE accounts SET mirrored_version = mirrored.version
        FROM unnest($1::text[], $2::bigint[]) AS mirrored (account_id, version)
        WHERE accounts.account_id = mirrored.account_id
          AND accounts.mirrored_version < mirrored.version
          AND accounts.account_id IN (
              SELECT account_id FROM accounts WHERE account_id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED
          )
        """,
        list(versions),
        list(versions.values()),
    )
