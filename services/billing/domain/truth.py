"""What is true at the provider now, in one vocabulary for all of them. Events are only hints to look it up."""

from dataclasses import dataclass
from enum import Enum

from services.billing.domain.orders import Price


class Payment(Enum):
    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    MISSING = "missing"
    """The provider does not know the order: its memory was lost, or it is another account's."""


class Doubt(Enum):
    """Money came, but not as agreed: a human decides."""

    PAID_LATE = "paid_late"
    PAID_PARTLY = "paid_partly"
    MARKED_PAID = "marked_paid"


class DisputeState(Enum):
    INQUIRY = "inquiry"
    """A question of the bank's: no money has moved."""
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Dispute:
    amount_cents: int
    state: DisputeState


@dataclass(frozen=True, slots=True)
class Truth:
    """`price` is None where the provider's amount is no number of cents; `paid_cents` where it names none."""

    payment: Payment
    price: Price | None = None
    seller: str | None = None
    doubt: Doubt | None = None
    paid_cents: int | None = None
    refunded_cents: int = 0
    disputes: tuple[Dispute, ...] = ()
