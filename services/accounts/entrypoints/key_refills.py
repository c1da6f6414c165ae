"""Internal: a gateway does not find a key in Redis and asks for its record to be written there."""

from fastapi import APIRouter, Depends

from services.accounts.use_cases.refill_key import RefillKey
from shared.contracts.internal.accounts import KeyRefillReply, KeyRefillRequest
from shared.http.internal_token import require_internal_token
from shared.ids import KeyDigest
from shared.settings import Secrets


def key_refills(refill_key: RefillKey, tokens: Secrets) -> APIRouter:
    router = APIRouter(prefix="/internal/keys", dependencies=[Depends(require_internal_token(tokens))])

    @router.post("/refill")
    async def refill(request: KeyRefillRequest) -> KeyRefillReply:
        return KeyRefillReply(found=await refill_key(KeyDigest(request.digest)))

    return router
