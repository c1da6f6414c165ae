"""A human's decision about an order: recorded, then booked by the same state machine as everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from services.billing.adapters import purchases_postgres as purchases
from services.billing.adapters import reviews_postgres as reviews
from services.billing.domain.purchases import Purchase
from services.billing.domain.reviews import DECISIONS, Decision, OpenReview
from services.billing.use_cases.settle_order import SettleOrder
from shared.clock import utc_now
from shared.errors import Kind, PromptlyError
from shared.postgres import Pool

REVIEWS_MAX = 100

log = structlog.get_logger()


class ReviewUnknown(PromptlyError):
    kind = Kind.NOT_FOUND
    code = "review_unknown"


class DecisionUnknown(PromptlyError):
    kind = Kind.INVALID
    code = "decision_unknown"


@dataclass(frozen=True, slots=True)
class AlreadyDecided:
    """By somebody else, or by the provider, who gives no more reason to ask."""

    decision: str


@dataclass(frozen=True, slots=True)
class DecideReview:
    pool: Pool
    settle_order: SettleOrder

    async def list_open(self) -> Sequence[tuple[OpenReview, Purchase]]:
        """The oldest first."""
        found = await reviews.list_open_reviews(self.pool, limit=REVIEWS_MAX)
        known = await purchases.get_purchases(self.pool, [each.order_id for each in found])
        return [(each, known[each.order_id]) for each in found]

    async def __call__(self, review_id: UUID, decision: str, *, decided_by: str) -> Purchase | AlreadyDecided:
        """The truth is looked up before and after: a provider that does not answer lets nothing be decided."""
        found = await reviews.find_review(self.pool, review_id)
        if found is None:
            raise ReviewUnknown("There is no such review.")
        review = found[0]
        if decision not in DECISIONS[review.question.reason]:
            choices = ", ".join(DECISIONS[review.question.reason])
            raise DecisionUnknown(f"The decisions here are: {choices}.", param="decision")
        await self.settle_order(review.order_id)
        return await self._decide(review, Decision(decision), decided_by)

    async def _decide(
        self, review: OpenReview, decision: Decision, decided_by: str
    ) -> Purchase | AlreadyDecided:
        async with self.pool.acquire() as connection, connection.transaction():
            recorded = await reviews.record_decision(
                connection, review.review_id, decision, decided_by=decided_by, now=utc_now()
            )
        if not recorded:
            found = await reviews.find_review(self.pool, review.review_id)
            return AlreadyDecided((found[1] if found else None) or "unknown")
        log.info("review_decided", review_id=str(review.review_id), decision=decision)
        await self.settle_order(review.order_id)
        return (await purchases.get_purchases(self.pool, [review.order_id]))[review.order_id]
