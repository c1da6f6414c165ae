"""What billing answers to the others over internal HTTP, both ends from the same classes."""

from typing import Literal

from pydantic import AwareDatetime

from shared.contracts.internal.message import Message

Method = Literal["stripe", "btcpay"]


class PaymentMethods(Message):
    """`GET /internal/payment-methods`: those whose settings are all there."""

    methods: tuple[Method, ...]


class Purchase(Message):
    """An order. `state`: open, processing, paid, partially_refunded, refunded, disputed, dispute_lost, review, failed,
    expired. `amount_cents` in `currency`'s minor unit; `tokens_reversed` is the total taken back so far."""

    purchase_id: str
    account_id: str
    pack: str
    tokens: int
    tokens_reversed: int
    is_credited: bool
    is_frozen: bool
    amount_cents: int
    currency: str
    method: Method
    state: str
    receipt_number: str | None
    created_at: AwareDatetime
    paid_at: AwareDatetime | None


class PurchasesReply(Message):
    """`GET /internal/accounts/{account_id}/purchases`: newest first, at most 100."""

    purchases: tuple[Purchase, ...]


class PurchasePage(Message):
    """`GET /internal/purchases?after=&limit=&state=`: every order by id, for the audit and the panel."""

    purchases: tuple[Purchase, ...]
    next_after: str | None


class Review(Message):
    """An order that needs a human: what the provider says, what we have, and which decisions there are."""

    review_id: str
    purchase: Purchase
    reason: str
    decisions: tuple[str, ...]
    created_at: AwareDatetime


class ReviewsReply(Message):
    """`GET /internal/reviews`: open ones, oldest first, at most 100."""

    reviews: tuple[Review, ...]


class DecideRequest(Message):
    """`POST /internal/reviews/{review_id}/decide`: 200 Purchase; 404 unknown; 409 decided before; 400 no such decision."""

    decision: str
    decided_by: str


class Reconciled(Message):
    """`POST /internal/reconcile`: everything compared now. What the provider knew more was booked, events found go
    through the worker, differences of the ledger were told again; `unanswered` questions got no answer."""

    orders_checked: int
    orders_changed: int
    events_found: int
    ledger_checked: int
    ledger_differences: int
    unanswered: int
    reviews_open: int
