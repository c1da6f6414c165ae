"""What metering counts about itself for Prometheus: a few increments per batch, and the lag of each record.

No label names an account, a key or a request.
"""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter, Histogram

from shared.contracts.gateway import UsageRecord

LAGS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 30.0, 300.0, 3600.0)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
SIZES = (1, 3, 10, 30, 100, 300, 1000, 3000)

RECORDS_POSTED = Counter(
    "promptly_metering_records_posted", "Usage records that are in the ledger, repeated ones among them."
)
RECORDS_SET_ASIDE = Counter(
    "promptly_metering_records_set_aside",
    "Usage records that were not posted: `poison` is parked, `not_yet` comes again.",
    ("reason",),
)
BATCH_RECORDS = Histogram(
    "promptly_metering_batch_records", "Usage records posted by one transaction.", buckets=SIZES
)
POSTING = Histogram("promptly_metering_posting_seconds", "One such transaction.", buckets=SECONDS)
POSTING_LAG = Histogram(
    "promptly_metering_posting_lag_seconds", "From a request's end until it is posted.", buckets=LAGS
)
MIRROR_LAG = Histogram(
    "promptly_metering_mirror_lag_seconds", "From a commit until Redis has heard of it.", buckets=LAGS
)
TOKENS_UNCOLLECTED = Counter(
    "promptly_metering_tokens_uncollected", "Tokens that were used and that no grant could pay."
)


for _reason in ("poison", "not_yet"):
    RECORDS_SET_ASIDE.labels(_reason)


def batch_posted(records: Sequence[UsageRecord], now: datetime, *, seconds: float) -> None:
    """Records that one transaction took."""
    RECORDS_POSTED.inc(len(records))
    BATCH_RECORDS.observe(len(records))
    POSTING.observe(seconds)
    for record in records:
        POSTING_LAG.observe(max((now - record.ended_at).total_seconds(), 0.0))
