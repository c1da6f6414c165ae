"""Single requests as they are posted, each at its latest revision."""

from uuid import UUID

from services.metering.domain.windows import ADMITTED_WITHIN, Window
from shared.contracts.internal.metering import Receipt
from shared.ids import AccountId
from shared.postgres import Pool


async def list_receipts(
    pool: Pool,
    account_id: AccountId,
    window: Window,
    *,
    key_id: str | None,
    model: str | None,
    after: UUID | None,
    limit: int,
) -> list[Receipt]:
    """Newest first; `after` is the last request seen."""
    rows = await pool.fetch(
        """
        SELECT request_id, account_id, key_id, endpoint, model, tokens_prompt, tokens_completion,
            tokens_cached, tokens_prompt + tokens_completion - tokens_uncollected AS tokens_charged,
            outcome, estimated, revision, admitted_at, ended_at
        FROM usage AS latest
        WHERE account_id = $1
            AND request_id >= first_request_id($2::timestamptz - $8::interval)
            AND request_id < least($6::uuid, first_request_id($3::timestamptz + $8::interval))
            AND admitted_at >= $2 AND admitted_at < $3
            AND ($4::text IS NULL OR key_id = $4)
            AND ($5::text IS NULL OR model = $5)
            AND NOT EXISTS (
                SELECT FROM usage AS later
                WHERE later.request_id = latest.request_id AND later.revision > latest.revision
            )
        ORDER BY request_id DESC
        LIMIT $7
        """,
        account_id,
        window.since,
        window.until,
        key_id,
        model,
        after,
        limit,
        ADMITTED_WITHIN,
    )
    return [Receipt(**row) for row in rows]


async def find_receipt(pool: Pool, account_id: AccountId, request_id: UUID) -> Receipt | None:
    row = await pool.fetchrow(
        """
        SELECT request_id, account_id, key_id, endpoint, model, tokens_prompt, tokens_completion,
            tokens_cached, tokens_prompt + tokens_completion - tokens_uncollected AS tokens_charged,
            outcome, estimated, revision, admitted_at, ended_at
        FROM usage WHERE request_id = $2 AND account_id = $1
        ORDER BY revision DESC LIMIT 1
        """,
        account_id,
        request_id,
    )
    return None if row is None else Receipt(**row)
