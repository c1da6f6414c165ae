"""What billing counts about itself for Prometheus. What has a value at any moment is read when it is asked for."""

from prometheus_client import Counter, Histogram

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
