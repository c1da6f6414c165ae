"""Internal HTTP: an account's balance and usage for a page, and its mirror for a Redis that lost it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from redis.asyncio import Redis

from services.metering.entrypoints.paths import DAYS_MAX, AccountInPath
from services.metering.use_cases.list_daily_usage import list_daily_usage
from services.metering.use_cases.mirror_accounts import mirror_account
from services.metering.use_cases.read_balance import read_balance
from shared.admission.mirror import Dropped, IsClosed, IsOpen
from shared.clock import utc_now
from shared.contracts.internal.metering import BalanceReply, MirrorReply, UsageReply
from shared.http.internal_token import require_internal_token
from shared.ids import AccountId
from shared.postgres import Pool
from shared.setting_values import Secrets

ASK_AGAIN_MS = 100
"""While batches from before a loss are still on their way, or another pass came in between."""


def internal_routes(pool: Pool, redis: Redis, tokens: Secrets) -> APIRouter:
    router = APIRouter(
        prefix="/internal/accounts/{account_id}", dependencies=[Depends(require_internal_token(tokens))]
    )

    @router.get("/balance")
    async def balance(account_id: AccountInPath) -> BalanceReply:
        return await read_balance(pool, AccountId(account_id), utc_now())

    @router.get("/usage")
    async def usage(
        account_id: AccountInPath, days: Annotated[int, Query(ge=1, le=DAYS_MAX)] = 30
    ) -> UsageReply:
        today = utc_now().date()
        return UsageReply(
            days=tuple(await list_daily_usage(pool, AccountId(account_id), days=days, today=today))
        )

    @router.post("/mirror", status_code=204, responses={202: {"model": MirrorReply}})
    async def mirror(account_id: AccountInPath) -> Response:
        match await mirror_account(pool, redis, AccountId(account_id)):
            case IsOpen():
                return Response(status_code=204)
            case IsClosed(opens_in_ms):
                return _ask_again(max(opens_in_ms, ASK_AGAIN_MS))
            case Dropped():
                return _ask_again(ASK_AGAIN_MS)

    return router


def _ask_again(opens_in_ms: int) -> Response:
    reply = MirrorReply(opens_in_ms=opens_in_ms)
    return Response(reply.model_dump_json(), status_code=202, media_type="application/json")
