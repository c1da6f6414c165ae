"""Internal HTTP: what an operator changes of one account's balance. Each id is done once."""

from collections.abc import Callable

from fastapi import APIRouter, Depends
from redis.asyncio import Redis

from services.metering.domain.adjustments import Adjustment
from services.metering.domain.grants import operator_grant
from services.metering.entrypoints.paths import AccountInPath
from services.metering.use_cases.adjust_balance import adjust_balance
from services.metering.use_cases.grant_tokens import grant_tokens
from services.metering.use_cases.read_balance import read_balance
from shared.clock import utc_now
from shared.contracts.internal.metering import AdjustRequest, BalanceReply, GrantRequest
from shared.http.internal_token import require_internal_token
from shared.ids import AccountId
from shared.postgres import Pool
from shared.setting_values import Secrets


def changes_routes(pool: Pool, redis: Redis, tokens: Secrets, *, on_commit: Callable[[], None]) -> APIRouter:
    router = APIRouter(
        prefix="/internal/accounts/{account_id}", dependencies=[Depends(require_internal_token(tokens))]
    )

    @router.post("/adjust")
    async def adjust(account_id: AccountInPath, asked: AdjustRequest) -> BalanceReply:
        adjustment = Adjustment(asked.adjustment_id, AccountId(account_id), asked.delta, asked.reason)
        try:
            await adjust_balance(pool, redis, adjustment, utc_now())
        finally:
            on_commit()  # also what was given up is mirrored
        return await read_balance(pool, AccountId(account_id), utc_now())

    @router.post("/grants")
    async def grant(account_id: AccountInPath, asked: GrantRequest) -> BalanceReply:
        now = utc_now()
        given = operator_grant(
            AccountId(account_id), asked.grant_id, asked.tokens, expires_at=asked.expires_at, now=now
        )
        await grant_tokens(pool, given, reason=asked.reason, now=now)
        on_commit()
        return await read_balance(pool, AccountId(account_id), now)

    return router
