"""Which balances have changed since they were last looked at, and which trials end: each for one replica only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.metering.domain.announcements import Told
from shared.ids import AccountId
from shared.postgres import Connection


@dataclass(frozen=True, slots=True)
class Changed:
    account_id: AccountId
    version: int
    told: Told


@dataclass(frozen=True, slots=True)
class EndingGrant:
    account_id: AccountId
    grant_id: UUID
    remaining: int
    expires_at: datetime


async def lock_changed(connection: Connection, *, after: AccountId, limit: int) -> list[Changed]:
    """Accounts that still exist and changed since, in the order of their ids; those that another transaction has
    locked come with the next round."""
    rows = await connection.fetch(
        """
        SELECT account_id, version, is_told_low, is_told_exhausted FROM accounts
        WHERE announced_version < version AND closed_at IS NULL AND account_id > $1
        ORDER BY account_id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
        """,
        after,
        limit,
    )
    return [
        Changed(
            AccountId(row["account_id"]),
            row["version"],
            Told(row["is_told_low"], row["is_told_exhausted"]),
        )
        for row in rows
    ]


async def store_told(connection: Connection, told: Iterable[Changed]) -> None:
    rows = [(each.account_id, each.version, each.told.low, each.told.exhausted) for each in told]
    await connection.execute(
        """
        UPDATE accounts SET announced_version = now.version, is_told_low = low, is_told_exhausted = exhausted
        FROM unnest($1::text[], $2::bigint[], $3::boolean[], $4::boolean[])
            AS now (account_id, version, low, exhausted)
        WHERE accounts.account_id = now.account_id
        """,
        *(list(column) for column in zip(*rows, strict=True)),
    )


async def take_ending(
    connection: Connection, now: datetime, *, within: timedelta, limit: int
) -> list[EndingGrant]:
    """Grants with tokens left that end soon and of which nobody was told: from now on they are. One that was
    given for no longer than that is not worth a mail."""
    rows = await connection.fetch(
        """
        UPDATE grants SET ending_told_at = $1
        WHERE grant_id IN (
            SELECT grant_id FROM grants JOIN accounts USING (account_id)
            WHERE expires_at > $1 AND expires_at <= $1 + $2::interval AND remaining > 0
                AND ending_told_at IS NULL AND expires_at - grants.created_at > $2::interval
                AND accounts.closed_at IS NULL
            ORDER BY grant_id LIMIT $3 FOR NO KEY UPDATE OF grants SKIP LOCKED
        )
        RETURNING account_id, grant_id, remaining, expires_at
        """,
        now,
        within,
        limit,
    )
    return [EndingGrant(**row) for row in rows]
