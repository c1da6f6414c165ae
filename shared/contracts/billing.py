"""Events owned by billing: money that arrived, left again, or is in dispute.

`revision` is the order's own version, one more with each change of it: whoever has acted on a later one
ignores what an older one says of the same thing. 0: from a producer that does not count; then arrival decides.
"""

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
    revision: int = Field(default=0, ge=0)


class PurchaseReversed(Event):
    """`tokens` is the total reversed so far, so that events in any order end in the same state. It may fall
    again, to 0, with a later revision: a refund that failed. It ends a freeze."""

    TYPE: ClassVar[str] = "billing.purchase_reversed.v1"

    purchase_id: str
    account_id: str
    tokens: int = Field(ge=0)
    reason: Literal["refunded", "dispute_lost"]
    revision: int = Field(default=0, ge=0)


class PurchaseFrozen(Event):
    """A dispute is open: the pack cannot be spent until it is released or reversed."""

    TYPE: ClassVar[str] = "billing.purchase_frozen.v1"

    purchase_id: str
    account_id: str
    tokens: int = Field(gt=0)
    revision: int = Field(default=0, ge=0)


class PurchaseReleased(Event):
    """The dispute was won."""

    TYPE: ClassVar[str] = "billing.purchase_released.v1"

    purchase_id: str
    account_id: str
    tokens: int = Field(gt=0)
    revision: int = Field(default=0, ge=0)
