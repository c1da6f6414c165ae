"""Writes entries, and with them, in one statement, the sums that are made of them.

Nothing else changes `balance` or `remaining`: they cannot drift from the entries.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.metering.domain.entries import Entry
from shared.ids import AccountId
from shared.postgres import Connection

ENTRY_COLUMNS = 8


async def post_entries(
    connection: Connection, entries_by_account: Mapping[AccountId, Sequence[Entry]], now: datetime
) -> None:
    """Every account named gets a new version, also one without entries: what was posted of its requests is
    news for Redis too. The caller holds their locks."""
    rows = [
        (
            account_id,
            entry.grant_id,
            entry.kind,
            entry.tokens,
            entry.request_id,
            entry.revision,
            entry.reason,
            entry.purchase_id,
        )
        for account_id, entries in entries_by_account.items()
        for entry in entries
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * ENTRY_COLUMNS
    await connection.execute(
        """
        WITH posted AS (
            INSERT INTO entries (
                account_id, grant_id, kind, tokens, request_id, revision, reason, purchase_id, created_at
            )
            SELECT entry.*, $9
            FROM unnest(
                $1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::integer[], $7::text[], $8::text[]
            ) AS entry
            RETURNING account_id, grant_id, tokens
        ), grants_changed AS (
            UPDATE grants SET remaining = grants.remaining + change.tokens
            FROM (SELECT grant_id, sum(tokens)::bigint AS tokens FROM posted GROUP BY grant_id) AS change
            WHERE grants.grant_id = change.grant_id
        )
        UPDATE accounts SET balance = balance + coalesce(change.tokens, 0), version = version + 1
        FROM unnest($10::text[]) AS named (account_id)
        LEFT JOIN (
            SELECT account_id, sum(tokens)::bigint AS tokens FROM posted GROUP BY account_id
        ) AS change USING (account_id)
        WHERE accounts.account_id = named.account_id
        """,
        *columns,
        now,
        list(entries_by_account),
    )


async def list_taken(connection: Connection, request_ids: Collection[UUID]) -> dict[UUID, dict[UUID, int]]:
    """Per request, what its entries took from which grant so far, corrections included; often nothing."""
    taken: dict[UUID, dict[UUID, int]] = {request_id: {} for request_id in request_ids}
    if not taken:
        return taken
    rows = await connection.fetch(
        """
        SELECT request_id, grant_id, -sum(tokens)::bigint AS tokens FROM entries
        WHERE request_id = ANY($1)
        GROUP BY request_id, grant_id
        """,
        list(request_ids),
    )
    for row in rows:
        taken[row["request_id"]][row["grant_id"]] = row["tokens"]
    return taken
