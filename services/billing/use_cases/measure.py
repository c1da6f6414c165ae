"""What billing counts about itself for Prometheus. What has a value at any moment is read when it is asked for."""

from collections.abc import Iterable

from prometheus_client import Counter, Histogram
from prometheus_client.metrics_core import Metric

from services.billing.domain.orders import State
from services.billing.domain.payment_methods import Method
from services.billing.use_cases.read_purchases import ReadPurchases
from shared.http.metrics import gauge, gauges

EVENTS_TAKEN = Counter(
    "promptly_billing_webhook_events", "Signed events that were acknowledged.", ("method", "seen")
)
EVENTS_REFUSED = Counter(
    "promptly_billing_webhook_events_refused", "Events whose signature or shape was wrong.", ("method",)
)
EVENTS_FOLLOWED = Counter("promptly_billing_events_followed", "Events that were acted upon.", ("method",))
WEBHOOK_LAG = Histogram(
    "promptly_billing_webhook_lag_seconds",
    "From the acknowledgement of an event to the order it is about.",
    buckets=(0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0),
)
DIFFERENCES = Counter(
    "promptly_billing_reconciliation_differences",
    "What reconciliation found otherwise than booked: `order` (the provider knew more), `event` (never delivered), "
    "`ledger` (a credit, reversal or freeze that the ledger lacks).",
    ("kind",),
)


for _kind in ("order", "event", "ledger"):
    DIFFERENCES.labels(_kind)
for _method in Method:
    EVENTS_REFUSED.labels(_method)


async def read_state(purchases: ReadPurchases) -> Iterable[Metric]:
    state = await purchases.state()
    orders = [(each.value, state.orders.get(each.value, 0)) for each in State]
    return [
        gauges("promptly_billing_orders", "Orders by state.", "state", orders),
        gauge(
            "promptly_billing_reviews_open",
            "Questions about orders that wait for a human.",
            state.reviews_open,
        ),
        gauge(
            "promptly_billing_events_waiting",
            "Acknowledged events that are not followed yet.",
            state.events_waiting,
        ),
        gauge(
            "promptly_billing_oldest_event_seconds",
            "How long the oldest of them has waited.",
            state.oldest_event_seconds,
        ),
    ]
