"""Internal HTTP: many accounts at once, for an operator's list."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.metering.entrypoints.paths import DAYS_MAX, ROWS_PER_PAGE, Limit
from services.metering.use_cases.list_accounts import (
    Direction,
    OrderBy,
    list_ranked,
    list_totals,
    read_totals,
)
from shared.clock import utc_now
from shared.contracts.internal.metering import AccountsRequest, RankedAccounts, SystemTotals, TotalsReply
from shared.http.internal_token import require_internal_token
from shared.ids import AccountId
from shared.postgres import Pool
from shared.setting_values import Secrets

OFFSET_MAX = 10_000_000
"""Rows that are counted and thrown away; far beyond any list of ours."""


def account_routes(pool: Pool, tokens: Secrets) -> APIRouter:
    router = APIRouter(prefix="/internal", dependencies=[Depends(require_internal_token(tokens))])

    @router.post("/balances")
    async def balances(asked: AccountsRequest) -> TotalsReply:
        return await list_totals(pool, [AccountId(each) for each in asked.account_ids], utc_now())

    @router.get("/accounts")
    async def ranked(
        order_by: OrderBy = "balance",
        descending: bool = True,
        offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0,
        limit: Limit = ROWS_PER_PAGE,
    ) -> RankedAccounts:
        direction: Direction = "falling" if descending else "rising"
        return await list_ranked(pool, order_by, direction, offset=offset, limit=limit)

    @router.get("/totals")
    async def totals(days: Annotated[int, Query(ge=1, le=DAYS_MAX)] = 30) -> SystemTotals:
        return await read_totals(pool, utc_now(), days=days)

    return router
