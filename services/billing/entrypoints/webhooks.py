"""The providers' webhooks: refused without a look at the body, so that the provider sends again later."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.billing.domain.payment_methods import Method, refusal
from shared.http.errors import body_of, status_of


def webhook_router(configured: frozenset[Method]) -> APIRouter:
    router = APIRouter()

    @router.post("/stripe/webhook")
    async def receive_from_stripe() -> JSONResponse:
        return _refuse(Method.STRIPE, configured)

    @router.post("/btcpay/webhook")
    async def receive_from_btcpay() -> JSONResponse:
        return _refuse(Method.BTCPAY, configured)

    return router


def _refuse(method: Method, configured: frozenset[Method]) -> JSONResponse:
    """Always JSON: no person posts here, and providers ask for nothing in particular."""
    error = refusal(method, configured)
    return JSONResponse(body_of(error), status_of(error.kind))
