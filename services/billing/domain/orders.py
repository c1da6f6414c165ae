"""An order, and what is booked for it. The money it stands for is its own: never what a provider's metadata say."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NewType
from uuid import UUID

from services.billing.domain.payment_methods import Method
from shared.ids import AccountId

OrderId = NewType("OrderId", UUID)
ReversalReason = Literal["refunded", "dispute_lost"]


class State(StrEnum):
    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    DISPUTE_LOST = "dispute_lost"
    REVIEW = "review"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Price:
    """`currency` is lower-case ISO 4217; `amount_cents` in its minor unit."""

    amount_cents: int
    currency: str

    def __str__(self) -> str:
        return f"{self.amount_cents // 100}.{self.amount_cents % 100:02d} {self.currency.upper()}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is booked. `tokens_credited` is set once; `tokens_reversed` is the total now, and may fall again."""

    state: State = State.OPEN
    tokens_credited: int = 0
    tokens_reversed: int = 0
    reversed_for: ReversalReason | None = None
    is_frozen: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """`seller` is who must have been paid: `live` or `test` at Stripe, the store at BTCPay. `version` grows with
    every change and numbers the order's events."""

    order_id: OrderId
    account_id: AccountId
    pack: str
    tokens: int
    price: Price
    method: Method
    seller: str
    created_at: datetime
    provider_id: str | None = None
    version: int = 1
    standing: Standing = field(default_factory=Standing)
    account_is_deleted: bool = False
    refund_is_announced: bool = False
