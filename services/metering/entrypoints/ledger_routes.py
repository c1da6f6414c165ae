"""Internal HTTP: the rows of one account's ledger, for an operator's page."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.metering.entrypoints.paths import ROWS_PER_PAGE, AccountInPath, Limit
from services.metering.use_cases.list_ledger import list_entries, list_grants
from shared.contracts.internal.metering import EntryPage, GrantsReply
from shared.http.internal_token import require_internal_token
from shared.ids import AccountId
from shared.postgres import Pool
from shared.setting_values import Secrets

ENTRY_ID_MAX = 2**63 - 1


def ledger_routes(pool: Pool, tokens: Secrets) -> APIRouter:
    router = APIRouter(
        prefix="/internal/accounts/{account_id}", dependencies=[Depends(require_internal_token(tokens))]
    )

    @router.get("/grants")
    async def grants(account_id: AccountInPath) -> GrantsReply:
        return await list_grants(pool, AccountId(account_id))

    @router.get("/entries")
    async def entries(
        account_id: AccountInPath,
        before: Annotated[int | None, Query(ge=1, le=ENTRY_ID_MAX)] = None,
        limit: Limit = ROWS_PER_PAGE,
    ) -> EntryPage:
        return await list_entries(pool, AccountId(account_id), before=before, limit=limit)

    return router
