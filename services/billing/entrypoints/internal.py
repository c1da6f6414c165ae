"""Internal HTTP for the other services: how one can pay, who bought what, what waits for a human."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.billing.domain.orders import State
from services.billing.domain.payment_methods import Method
from services.billing.domain.purchases import Purchase
from services.billing.domain.reviews import DECISIONS, OpenReview
from services.billing.use_cases.decide_review import AlreadyDecided, DecideReview
from services.billing.use_cases.read_purchases import ReadPurchases
from services.billing.use_cases.reconcile import Reconcile
from shared.contracts.internal import billing
from shared.errors import Kind, PromptlyError
from shared.http.internal_token import require_internal_token
from shared.ids import AccountId
from shared.setting_values import Secrets

PAGE_MAX = 1000
FIRST = UUID(int=0)


class DecidedBefore(PromptlyError):
    kind = Kind.CONFLICT
    code = "already_decided"


@dataclass(frozen=True, slots=True)
class InternalDoor:
    configured: Collection[Method]
    purchases: ReadPurchases
    decide_review: DecideReview
    reconcile: Reconcile

    def router(self, tokens: Secrets) -> APIRouter:
        router = APIRouter(prefix="/internal", dependencies=[Depends(require_internal_token(tokens))])
        router.add_api_route("/payment-methods", self.payment_methods, methods=["GET"])
        router.add_api_route("/purchases", self.page, methods=["GET"])
        router.add_api_route("/accounts/{account_id}/purchases", self.of_account, methods=["GET"])
        router.add_api_route("/reviews", self.reviews, methods=["GET"])
        router.add_api_route("/reviews/{review_id}/decide", self.decide, methods=["POST"])
        router.add_api_route("/reconcile", self.reconcile_now, methods=["POST"])
        return router

    async def payment_methods(self) -> billing.PaymentMethods:
        return billing.PaymentMethods(methods=tuple(each.value for each in self.configured))

    async def of_account(self, account_id: str) -> billing.PurchasesReply:
        found = await self.purchases.of_account(AccountId(account_id))
        return billing.PurchasesReply(purchases=tuple(as_message(each) for each in found))

    async def page(
        self,
        after: UUID = FIRST,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_MAX,
        state: State | None = None,
    ) -> billing.PurchasePage:
        found, next_after = await self.purchases.page(after=after, limit=limit, state=state)
        return billing.PurchasePage(
            purchases=tuple(as_message(each) for each in found), next_after=next_after
        )

    async def reviews(self) -> billing.ReviewsReply:
        found = await self.decide_review.list_open()
        return billing.ReviewsReply(reviews=tuple(_review(*each) for each in found))

    async def decide(self, review_id: UUID, request: billing.DecideRequest) -> billing.Purchase:
        decided = await self.decide_review(review_id, request.decision, decided_by=request.decided_by)
        if isinstance(decided, AlreadyDecided):
            raise DecidedBefore(f"This review is closed already: {decided.decision}.")
        return as_message(decided)

    async def reconcile_now(self) -> billing.Reconciled:
        findings = await self.reconcile.everything()
        return billing.Reconciled(
            orders_checked=findings.orders_checked,
            orders_changed=findings.orders_changed,
            events_found=findings.events_found,
            ledger_checked=findings.ledger.checked,
            ledger_differences=findings.ledger.differences,
            unanswered=findings.unanswered,
            reviews_open=(await self.purchases.state()).reviews_open,
        )


def as_message(purchase: Purchase) -> billing.Purchase:
    return billing.Purchase.model_validate(purchase, from_attributes=True)


def _review(review: OpenReview, purchase: Purchase) -> billing.Review:
    question = review.question
    return billing.Review(
        review_id=str(review.review_id),
        purchase=as_message(purchase),
        reason=f"{question.reason}: {question.evidence}",
        decisions=tuple(DECISIONS[question.reason]),
        created_at=review.created_at,
    )
