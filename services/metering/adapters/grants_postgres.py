"""Grants: adding one, and the open ones of accounts."""

from collections.abc import Collection
from uuid import UUID

from services.metering.domain.grants import Grant, NewGrant
from shared.ids import AccountId
from shared.postgres import Connection


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
        SELECT account_id, grant_id, remaining, expires_at, created_at FROM grants
        WHERE account_id = ANY($1) AND ((closed_at IS NULL AND remaining > 0) OR grant_id = ANY($2))
        """,
        list(account_ids),
        list(also),
    )
    grants: dict[AccountId, list[Grant]] = {account_id: [] for account_id in account_ids}
    for row in rows:
        grant = Grant(row["grant_id"], row["remaining"], row["expires_at"], row["created_at"])
        grants[row["account_id"]].append(grant)
    return grants
