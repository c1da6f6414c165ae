"""Grants: adding one, the open ones of accounts, and those that have ended."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from services.metering.domain.grants import Grant, NewGrant
from shared.ids import AccountId
from shared.postgres import Connection, Pool


async def add_grant(connection: Connection, grant: NewGrant) -> bool:
    """Adds it, still empty. False when its source has given before."""
    added = await connection.fetchval(
        """
        INSERT INTO grants (grant_id, account_id, kind, source, tokens, expires_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT ON CONSTRAINT grants_source_gives_once DO NOTHING
        RETURNING grant_id
        """,
        grant.grant_id,
        grant.account_id,
        grant.kind,
        grant.source,
        grant.tokens,
        grant.expires_at,
        grant.created_at,
    )
    return added is not None


async def list_open_grants(
    connection: Connection, account_ids: Collection[AccountId], *, also: Collection[UUID] = ()
) -> dict[AccountId, list[Grant]]:
    """Per account, the grants with tokens left; `also` names some to include whatever is left in them."""
    rows = await connection.fetch(
        """
        SELECT account_id, grant_id, remaining, expires_at, created_at, is_frozen FROM grants
        WHERE account_id = ANY($1) AND ((closed_at IS NULL AND remaining > 0) OR grant_id = ANY($2))
        """,
        list(account_ids),
        list(also),
    )
    grants: dict[AccountId, list[Grant]] = {account_id: [] for account_id in account_ids}
    for row in rows:
        grants[row["account_id"]].append(_grant_of(row))
    return grants


async def find_owner(connection: Connection, source: str) -> AccountId | None:
    """Whom this source has given to."""
    owner: AccountId | None = await connection.fetchval(
        "SELECT account_id FROM grants WHERE source = $1", source
    )
    return owner


async def list_accounts_with_ended_grants(
    pool: Pool, *, ended_by: datetime, after: AccountId, limit: int
) -> list[AccountId]:
    """Where something remains in a grant that has ended, in the order of their ids."""
    rows = await pool.fetch(
        """
        SELECT DISTINCT account_id FROM grants
        WHERE expires_at <= $1 AND remaining > 0 AND account_id > $2
        ORDER BY account_id LIMIT $3
        """,
        ended_by,
        after,
        limit,
    )
    return [AccountId(row["account_id"]) for row in rows]


async def list_ended_grants(
    connection: Connection, account_id: AccountId, *, ended_by: datetime
) -> list[Grant]:
    """With something left in them. The caller holds the account's lock."""
    rows = await connection.fetch(
        """
        SELECT grant_id, remaining, expires_at, created_at, is_frozen FROM grants
        WHERE account_id = $1 AND expires_at <= $2 AND remaining > 0
        """,
        account_id,
        ended_by,
    )
    return [_grant_of(row) for row in rows]


def _grant_of(row: Record) -> Grant:
    return Grant(row["grant_id"], row["remaining"], row["expires_at"], row["created_at"], row["is_frozen"])
