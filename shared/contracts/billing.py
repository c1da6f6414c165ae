"""Events owned by billing: money that arrived, left again, or is in dispute."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.contracts.envelope import Event


class PurchaseCompleted(Event):
    """A pack is paid. `amount_cents` in `currency`'s minor unit is the order's own amount."""

    TYPE: ClassVar[str] = "billing.purchase_completed.v1"

    purchase_id: str
    account_id: str
    tokens: int = Field(gt=0)
    pack: str
    amount_cents: int = Field(gt=0)
    currency: str
    method: Literal["stripe", "btcpay"]
    receipt_number: str


class PurchaseReversed(Event):
    """`tokens` is the total reversed so far, so that events in any order end in the same state."""

    TYPE: ClassVar[str] = "billing.purchase_reversed.v1"

    purchase_id: str
    account_id: str
    tokens: int = Field(gt=0)
    reason: Literal["refunded", "dispute_lost"]


class PurchaseFrozen(Event):
    """A dispute is open: the pack cannot be spent until it is released or reversed."""

    TYPE: ClassVar[str] = "billing.purchase_frozen.v1"

    purchase_id: str
    account_id: str
    tokens: int = Field(gt=0)


class PurchaseReleased(Event):
    """The dispute was won."""

    TYPE: ClassVar[str] = "billing.purchase_released.v1"

    purchase_id: str
    account_id: str
    tokens: int = Field(gt=0)
