"""Billing as metering hears it: what happens to a purchase, in whatever order a test wants."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from services.metering.tests.building import NOON
from services.metering.use_cases.change_purchase import (
    credit_purchase,
    freeze_purchase,
    release_purchase,
    reverse_purchase,
)
from shared.contracts.billing import (
    PurchaseCompleted,
    PurchaseFrozen,
    PurchaseReleased,
    PurchaseReversed,
)
from shared.contracts.internal.metering import BalanceReply
from shared.ids import AccountId, new_uuid7
from shared.postgres import Pool

PurchaseEvent = PurchaseCompleted | PurchaseReversed | PurchaseFrozen | PurchaseReleased


@dataclass(frozen=True)
class Order:
    """A purchase of an account, and the events about it."""

    account_id: AccountId
    tokens: int
    purchase_id: str = field(default_factory=lambda: str(new_uuid7()))

    def completed(self) -> PurchaseCompleted:
        return PurchaseCompleted(
            purchase_id=self.purchase_id,
            account_id=self.account_id,
            tokens=self.tokens,
            pack="starter",
            amount_cents=50,
            currency="usd",
            method="stripe",
            receipt_number="2026-000042",
        )

    def reversed(
        self, tokens: int, revision: int = 0, *, reason: Literal["refunded", "dispute_lost"] = "refunded"
    ) -> PurchaseReversed:
        return PurchaseReversed(
            purchase_id=self.purchase_id,
            account_id=self.account_id,
            tokens=tokens,
            reason=reason,
            revision=revision,
        )

    def frozen(self, revision: int = 0) -> PurchaseFrozen:
        return PurchaseFrozen(
            purchase_id=self.purchase_id, account_id=self.account_id, tokens=self.tokens, revision=revision
        )

    def released(self, revision: int = 0) -> PurchaseReleased:
        return PurchaseReleased(
            purchase_id=self.purchase_id, account_id=self.account_id, tokens=self.tokens, revision=revision
        )


async def hear(pool: Pool, *events: PurchaseEvent, event_id: UUID | None = None) -> None:
    for event in events:
        name = event_id or new_uuid7()
        match event:
            case PurchaseCompleted():
                await credit_purchase(pool, name, event, NOON)
            case PurchaseReversed():
                await reverse_purchase(pool, name, event, NOON)
            case PurchaseFrozen():
                await freeze_purchase(pool, name, event, NOON)
            case PurchaseReleased():
                await release_purchase(pool, name, event, NOON)


def shown(balance: BalanceReply) -> tuple[int, int, int, int]:
    return balance.available, balance.paid, balance.debt, balance.frozen
