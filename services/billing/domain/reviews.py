"""What only a human can decide about an order, and which decisions there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.billing.domain.orders import OrderId
from services.billing.domain.truth import Doubt


class Reason(StrEnum):
    """Before the credit: the first five; afterwards: the others."""

    PAID_LATE = "paid_late"
    PAID_PARTLY = "paid_partly"
    MARKED_PAID = "marked_paid"
    MISMATCH = "mismatch"
    ACCOUNT_DELETED = "account_deleted"
    PAID_OVER = "paid_over"
    INVALID_AFTER_CREDIT = "invalid_after_credit"
    REFUND_ANNOUNCED = "refund_announced"
    LEDGER_DIFFERS = "ledger_differs"


class Decision(StrEnum):
    CREDIT = "credit"
    CREDIT_PART = "credit_part"
    REJECT = "reject"
    REVERSE = "reverse"
    KEEP = "keep"
    DONE = "done"
    """What there was to do was done outside: money sent back, tokens given by hand."""


DECISIONS: Mapping[Reason, tuple[Decision, ...]] = {
    Reason.PAID_LATE: (Decision.CREDIT, Decision.REJECT),
    Reason.PAID_PARTLY: (Decision.CREDIT_PART, Decision.REJECT),
    Reason.MARKED_PAID: (Decision.CREDIT, Decision.REJECT),
    Reason.MISMATCH: (Decision.CREDIT, Decision.REJECT),
    Reason.ACCOUNT_DELETED: (Decision.DONE,),
    Reason.PAID_OVER: (Decision.DONE,),
    Reason.INVALID_AFTER_CREDIT: (Decision.REVERSE, Decision.KEEP),
    Reason.REFUND_ANNOUNCED: (Decision.REVERSE, Decision.KEEP),
    Reason.LEDGER_DIFFERS: (Decision.DONE,),
}

REASON_OF_DOUBT = {
    Doubt.PAID_LATE: Reason.PAID_LATE,
    Doubt.PAID_PARTLY: Reason.PAID_PARTLY,
    Doubt.MARKED_PAID: Reason.MARKED_PAID,
}


@dataclass(frozen=True, slots=True)
class Question:
    """The same question about an order is asked once; other evidence makes it another one."""

    reason: Reason
    evidence: str


Verdicts = Mapping[Question, Decision]
"""What was decided about an order so far."""


@dataclass(frozen=True, slots=True)
class OpenReview:
    review_id: UUID
    order_id: OrderId
    question: Question
    created_at: datetime
