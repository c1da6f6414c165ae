"""The notifier's metrics. Labels hold kinds and outcomes, never an account or an address."""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import Counter, Histogram
from prometheus_client.metrics_core import Metric

from services.notifier.adapters.mail_lists_postgres import count_by_state, find_oldest_unsent
from services.notifier.domain.delivery import Outcome, Sent
from services.notifier.domain.mail import ClaimedMail, MailKind
from shared.clock import utc_now
from shared.http.metrics import gauge, gauges
from shared.postgres import Pool

ATTEMPTS = Counter("promptly_notifier_attempts_total", "Dialogues about a mail", ["kind", "outcome"])
POSSIBLE_DUPLICATES = Counter(
    "promptly_notifier_possible_duplicates_total",
    "Mails sent again after an attempt that never told its outcome",
)
SECONDS_TO_ACCEPTANCE = Histogram(
    "promptly_notifier_seconds_to_acceptance",
    "From the event to the relay's 250",
    ["kind"],
    buckets=(0.1, 0.5, 1, 2, 5, 30, 120, 600, 3600, 86_400),
)
STATES = ("pending", "sending", "refused", "given_up")

for _kind in MailKind:
    ATTEMPTS.labels(_kind.value, "sent")


def count(claimed: ClaimedMail, outcome: Outcome, now: datetime) -> None:
    kind = claimed.mail.kind.value
    ATTEMPTS.labels(kind, type(outcome).__name__.lower()).inc()
    if isinstance(outcome, Sent):
        SECONDS_TO_ACCEPTANCE.labels(kind).observe((now - claimed.requested_at).total_seconds())


async def read_mails(pool: Pool) -> Iterable[Metric]:
    there, oldest_at = await count_by_state(pool), await find_oldest_unsent(pool)
    age_seconds = 0.0 if oldest_at is None else max((utc_now() - oldest_at).total_seconds(), 0.0)
    counts = [(state, there.get(state, 0)) for state in STATES]
    return [
        gauges("promptly_notifier_mails", "Mails that are not sent, by state.", "state", counts),
        gauge(
            "promptly_notifier_oldest_mail_seconds", "How long the oldest owed mail has waited.", age_seconds
        ),
    ]
