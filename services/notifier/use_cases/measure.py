"""The notifier's metrics. Labels hold kinds and outcomes, never an account or an address."""

from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from services.notifier.domain.delivery import Outcome, Sent
from services.notifier.domain.mail import ClaimedMail

ATTEMPTS = Counter("promptly_notifier_attempts_total", "Dialogues about a mail", ["kind", "outcome"])
POSSIBLE_DUPLICATES = Counter(
    "promptly_notifier_possible_duplicates_total",
    "Mails sent again after an attempt that never told its outcome",
)
MAILS = Gauge("promptly_notifier_mails", "Mails that are not sent, by state", ["state"])
SECONDS_TO_ACCEPTANCE = Histogram(
    "promptly_notifier_seconds_to_acceptance",
    "From the event to the relay's 250",
    ["kind"],
    buckets=(0.1, 0.5, 1, 2, 5, 30, 120, 600, 3600, 86_400),
)
STATES = ("pending", "sending", "refused", "given_up")


def count(claimed: ClaimedMail, outcome: Outcome, now: datetime) -> None:
    kind = claimed.mail.kind.value
    ATTEMPTS.labels(kind, type(outcome).__name__.lower()).inc()
    if isinstance(outcome, Sent):
        SECONDS_TO_ACCEPTANCE.labels(kind).observe((now - claimed.requested_at).total_seconds())


def show(mails_by_state: dict[str, int]) -> None:
    for state in STATES:
        MAILS.labels(state).set(mails_by_state.get(state, 0))
