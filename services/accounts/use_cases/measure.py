"""What accounts counts about itself for Prometheus. No label names a person, an address or a key."""

from collections.abc import Iterable, Sequence

from prometheus_client import Counter
from prometheus_client.metrics_core import Metric

from services.accounts.adapters.api_keys_postgres import StoredKey
from services.accounts.adapters.figures_postgres import count_accounts, count_keys
from shared.http.metrics import gauges
from shared.postgres import Pool

REGISTRATIONS = Counter(
    "promptly_accounts_registrations",
    "Registration forms by outcome; `sent` is the same for new and known addresses.",
    ("outcome",),
)
KEY_CHANGES = Counter(
    "promptly_accounts_key_changes", "Keys that were made or changed (active), or ended.", ("state",)
)
KEYS_LATE = Counter(
    "promptly_accounts_keys_not_mirrored_at_once",
    "Key changes that Redis did not take at once; the loop tells it.",
)

REGISTRATION_OUTCOMES = ("sent", "no_address", "undeliverable", "too_many_by_client", "too_many_by_address")
for _outcome in REGISTRATION_OUTCOMES:
    REGISTRATIONS.labels(_outcome)
for _state in ("active", "revoked", "expired"):
    KEY_CHANGES.labels(_state)


def registered(outcome: str) -> None:
    REGISTRATIONS.labels(outcome).inc()


def keys_changed(keys: Sequence[StoredKey]) -> None:
    for key in keys:
        KEY_CHANGES.labels(key.state.value).inc()


async def read_people(pool: Pool) -> Iterable[Metric]:
    accounts, keys = await count_accounts(pool), await count_keys(pool)
    return [
        gauges("promptly_accounts_people", "Accounts by state.", "state", accounts.items()),
        gauges(
            "promptly_accounts_keys",
            "Keys that work, and changes that Redis has not been told of.",
            "state",
            keys.items(),
        ),
    ]
