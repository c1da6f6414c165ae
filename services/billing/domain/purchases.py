"""An order as others see it: the dashboard, the operator, the audit."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Purchase:
    """The fields of shared.contracts.internal.billing.Purchase."""

    purchase_id: str
    account_id: str
    pack: str
    tokens: int
    tokens_credited: int
    tokens_reversed: int
    is_credited: bool
    is_frozen: bool
    amount_cents: int
    currency: str
    method: str
    state: str
    receipt_number: str | None
    created_at: datetime
    paid_at: datetime | None
    provider_id: str | None
