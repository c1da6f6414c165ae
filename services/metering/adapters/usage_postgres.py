"""Usage rows, by request and revision."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.metering.adapters.entries_postgres import list_taken
from services.metering.domain.postings import Posted, PostedRecord
from shared.postgres import Connection

ROWS_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What PostgreSQL, or its client, raises when some row of a statement is at fault."""


async def list_posted(connection: Connection, request_ids: Collection[UUID]) -> dict[UUID, Posted]:
    """Those of the requests that are posted, at their latest revision."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (request_id)
            request_id, account_id, revision, key_id, model, admitted_at,
            tokens_prompt, tokens_completion, tokens_cached
        FROM usage WHERE request_id = ANY($1)
        ORDER BY request_id, revision DESC
        """,
        list(request_ids),
    )
    taken = await list_taken(connection, [row["request_id"] for row in rows])
    return {row["request_id"]: Posted(**row, taken=taken[row["request_id"]]) for row in rows}


async def list_posted_revisions(connection: Connection, request_ids: Collection[UUID]) -> dict[UUID, int]:
    """The latest posted revision of those of the requests that are posted."""
    rows = await connection.fetch(
        "SELECT request_id, max(revision) AS revision FROM usage WHERE request_id = ANY($1) GROUP BY request_id",
        list(request_ids),
    )
    return {row["request_id"]: row["revision"] for row in rows}


async def add_usage(connection: Connection, usage: Sequence[PostedRecord], now: datetime) -> None:
    if not usage:
        return
    columns = zip(*(_columns_of(row) for row in usage), strict=True)
    await connection.execute(
        """
        INSERT INTO usage (
            request_id, revision, account_id, key_id, endpoint, model, tokens_prompt, tokens_completion,
            tokens_cached, tokens_uncollected, outcome, estimated, admitted_at, ended_at, posted_at
        )
        SELECT record.*, $15
        FROM unnest(
            $1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
            $9::bigint[], $10::bigint[], $11::text[], $12::boolean[], $13::timestamptz[], $14::timestamptz[]
        ) AS record
        """,
        *(list(column) for column in columns),
        now,
    )


def _columns_of(row: PostedRecord) -> tuple[object, ...]:
    record = row.record
    return (
        record.request_id,
        record.revision,
        record.account_id,
        record.key_id,
        record.endpoint,
        record.model,
        record.tokens_prompt,
        record.tokens_completion,
        record.tokens_cached,
        row.tokens_uncollected,
        record.outcome,
        record.estimated,
        record.admitted_at,
        record.ended_at,
    )
