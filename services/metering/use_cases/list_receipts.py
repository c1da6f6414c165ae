"""An account's requests one by one, newest first, a page at a time."""

from uuid import UUID

from services.metering.adapters import receipts_postgres
from services.metering.domain.cursors import Cursor, CursorInvalid
from shared.contracts.internal.metering import ReceiptPage
from shared.ids import AccountId
from shared.postgres import Pool


async def list_receipts(
    pool: Pool, account_id: AccountId, place: Cursor, *, key_id: str | None, model: str | None, limit: int
) -> ReceiptPage:
    """Raises CursorInvalid."""
    rows = await receipts_postgres.list_receipts(
        pool,
        account_id,
        place.window,
        key_id=key_id,
        model=model,
        after=_request_in(place),
        limit=limit + 1,
    )
    shown = rows[:limit]
    return ReceiptPage(
        since=place.window.since,
        until=place.window.until,
        receipts=tuple(shown),
        next_cursor=place.going_on(str(shown[-1].request_id)) if len(rows) > limit else None,
    )


def _request_in(place: Cursor) -> UUID | None:
    try:
        return None if place.after is None else UUID(place.after)
    except ValueError as error:
        raise CursorInvalid from error
