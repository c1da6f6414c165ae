"""From Stripe's checkout session (with its payment intent and latest charge) and disputes to what is true now.

docs.stripe.com/api/checkout/sessions/object, /payment_intents/object, /charges/object, /disputes/object.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from services.billing.domain.orders import Price
from services.billing.domain.truth import Dispute, DisputeState, Payment, Truth

LIVE, TEST = "live", "test"

DISPUTE_STATES = {
    "warning_needs_response": DisputeState.INQUIRY,
    "warning_under_review": DisputeState.INQUIRY,
    "warning_closed": DisputeState.INQUIRY,
    "prevented": DisputeState.WON,
    "needs_response": DisputeState.OPEN,
    "under_review": DisputeState.OPEN,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
    "appeal_needs_response": DisputeState.LOST,
    "appeal_under_review": DisputeState.LOST,
}
"""An appeal comes after a loss: the money is gone until it is won. A status that is not known yet counts as open."""

GIVEN_UP = frozenset({"requires_payment_method", "canceled"})
"""Where the payment intent of a completed, unpaid session stands once its payment has failed."""


def seller_of(*, livemode: bool) -> str:
    return LIVE if livemode else TEST


def truth_of_session(session: Mapping[str, Any], disputes: Sequence[Mapping[str, Any]]) -> Truth:
    """`payment_intent` and its `latest_charge` are expanded where there are any."""
    intent = session.get("payment_intent") or {}
    charge = intent.get("latest_charge") or {}
    return Truth(
        payment=_payment(session, intent),
        price=_price(session["amount_total"], session["currency"]),
        seller=seller_of(livemode=session["livemode"]),
        refunded_cents=charge.get("amount_refunded", 0),
        disputes=tuple(_dispute(each) for each in disputes),
    )


def _price(amount_total: object, currency: object) -> Price | None:
    return Price(amount_total, str(currency)) if isinstance(amount_total, int) else None


def _payment(session: Mapping[str, Any], intent: Mapping[str, Any]) -> Payment:
    match session["status"], session["payment_status"]:
        case "open", _:
            return Payment.OPEN
        case "expired", _:
            return Payment.EXPIRED
        case _, "unpaid":
            return Payment.FAILED if intent.get("status") in GIVEN_UP else Payment.PROCESSING
    return Payment.PAID


def _dispute(dispute: Mapping[str, Any]) -> Dispute:
    state = DISPUTE_STATES.get(dispute["status"], DisputeState.OPEN)
    return Dispute(dispute["amount"], state)
