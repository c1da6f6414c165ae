"""When an order is looked up at its provider again though nobody told us anything: a webhook can be lost."""

from datetime import datetime, timedelta

from services.billing.domain.orders import State
from services.billing.domain.payment_methods import Method
from services.billing.domain.truth import Payment, Truth

CHECKOUT_LIFETIME = timedelta(minutes=60)
"""How long a checkout can be paid. Stripe allows 30 minutes to 24 hours."""
MONITORED = timedelta(hours=24)
"""BTCPay looks for late payments this long after the checkout has ended."""
EVERY_MINUTE, EVERY_HOUR, EVERY_DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PROCESSING_WATCHED = timedelta(days=30)
"""Bank debits take up to two weeks."""
PAID_WATCHED = timedelta(days=180)
"""Most card disputes come within 120 days."""


def next_check_at(state: State, method: Method, *, created_at: datetime, now: datetime) -> datetime | None:
    """None: only an event or `make reconcile` makes us look again."""
    age = now - created_at
    match state:
        case State.OPEN:
            return now + EVERY_MINUTE
        case State.PROCESSING if age <= PROCESSING_WATCHED:
            return now + (EVERY_MINUTE if age <= CHECKOUT_LIFETIME * 2 else EVERY_HOUR)
        case State.EXPIRED | State.FAILED if method is Method.BTCPAY and age <= CHECKOUT_LIFETIME + MONITORED:
            return now + EVERY_MINUTE
        case State.PAID | State.PARTIALLY_REFUNDED | State.DISPUTED if age <= PAID_WATCHED:
            return now + EVERY_DAY
    return None


def truth_without_checkout(*, created_at: datetime, now: datetime) -> Truth:
    """Of an order that never got a checkout: nobody can pay it, and it ends like one that nobody paid."""
    return Truth(Payment.EXPIRED if now - created_at >= CHECKOUT_LIFETIME else Payment.OPEN)
