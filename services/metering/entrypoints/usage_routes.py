"""Internal HTTP: what one account used, summed up or request by request, and receipts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from services.metering.domain.cursors import Cursor, cursor_of
from services.metering.domain.windows import window_of
from services.metering.entrypoints.paths import ROWS_PER_PAGE, AccountInPath, Limit, Text
from services.metering.use_cases.list_receipts import list_receipts
from services.metering.use_cases.list_usage import list_usage
from services.metering.use_cases.read_receipts import Receipts
from shared.clock import utc_now
from shared.contracts.internal.metering import GroupBy, ReceiptKey, ReceiptPage, ReceiptReply, UsageReport
from shared.http.internal_token import require_internal_token
from shared.ids import AccountId
from shared.postgres import Pool
from shared.setting_values import Secrets

Instant = Annotated[AwareDatetime | None, Query()]


def usage_routes(pool: Pool, receipts: Receipts, tokens: Secrets) -> APIRouter:
    router = APIRouter(prefix="/internal", dependencies=[Depends(require_internal_token(tokens))])

    @router.get("/accounts/{account_id}/usage/report")
    async def report(
        account_id: AccountInPath,
        place: Annotated[Cursor, Depends(_place)],
        group_by: GroupBy = "day",
        limit: Limit = ROWS_PER_PAGE,
    ) -> UsageReport:
        return await list_usage(pool, AccountId(account_id), group_by, place, limit=limit)

    @router.get("/accounts/{account_id}/usage/requests")
    async def requests(
        account_id: AccountInPath,
        place: Annotated[Cursor, Depends(_place)],
        key_id: Text = None,
        model: Text = None,
        limit: Limit = ROWS_PER_PAGE,
    ) -> ReceiptPage:
        return await list_receipts(
            pool, AccountId(account_id), place, key_id=key_id, model=model, limit=limit
        )

    @router.get("/accounts/{account_id}/usage/requests/{request_id}")
    async def receipt(account_id: AccountInPath, request_id: UUID, signed: bool = False) -> ReceiptReply:
        read = receipts.read_signed if signed else receipts.read
        return await read(AccountId(account_id), request_id)

    @router.get("/receipts/public-key")
    async def public_key() -> ReceiptKey:
        return receipts.public_key()

    return router


def _place(since: Instant = None, until: Instant = None, cursor: Text = None) -> Cursor:
    """A cursor brings its own window. Raises WindowInvalid, CursorInvalid."""
    return Cursor(window_of(since, until, utc_now())) if cursor is None else cursor_of(cursor)
