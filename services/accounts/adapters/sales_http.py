"""What billing knows: orders, ways to pay, and orders that need a human. Raises Unavailable."""

from services.accounts.adapters.reply_reading import find, read, refuse_as_told
from shared.contracts.internal import billing
from shared.http.internal import InternalClient
from shared.ids import AccountId


class Sales:
    def __init__(self, client: InternalClient) -> None:
        self._client = client

    async def list_methods(self) -> tuple[billing.Method, ...]:
        return read(await self._client.get("/internal/payment-methods"), billing.PaymentMethods).methods

    async def list_purchases(self, account_id: AccountId) -> tuple[billing.Purchase, ...]:
        reply = await self._client.get(f"/internal/accounts/{account_id}/purchases")
        found = find(reply, billing.PurchasesReply)
        return found.purchases if found else ()

    async def list_reviews(self) -> tuple[billing.Review, ...]:
        return read(await self._client.get("/internal/reviews"), billing.ReviewsReply).reviews

    async def decide(self, review_id: str, decision: str, *, decided_by: str) -> billing.Purchase:
        """Raises RefusedThere: unknown, decided before, or no such decision."""
        request = billing.DecideRequest(decision=decision, decided_by=decided_by)
        reply = await self._client.post(f"/internal/reviews/{review_id}/decide", request.model_dump())
        refuse_as_told(reply)
        return read(reply, billing.Purchase)
