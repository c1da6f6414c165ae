"""The providers' webhooks: refused without a look at the body, so that the provider sends again later."""

from fastapi import APIRouter

from services.billing.domain.payment_methods import Method, refusal


def webhook_router(configured: frozenset[Method]) -> APIRouter:
    router = APIRouter()

    @router.post("/stripe/webhook")
    async def receive_from_stripe() -> None:
        raise refusal(Method.STRIPE, configured)

    @router.post("/btcpay/webhook")
    async def receive_from_btcpay() -> None:
        raise refusal(Method.BTCPAY, configured)

    return router
