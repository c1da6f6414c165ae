"""What an account may spend, from its open grants: tokens that stay, and tokens that end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.metering.domain.grants import Grant


@dataclass(frozen=True, slots=True)
class Balance:
    """Posted tokens. `trial` is all that ends one day; `trial_expires_at` when the first of it does."""

    paid: int
    trial: int
    trial_expires_at: datetime | None

    @property
    def available(self) -> int:
        return self.paid + self.trial


def balance_of(grants: Iterable[Grant], now: datetime) -> Balance:
    """A grant that has ended no longer counts, whether or not its `expiry` entry is posted yet."""
    spendable = [grant for grant in grants if grant.remaining > 0 and grant.is_valid(now)]
    ends_at = [grant.expires_at for grant in spendable if grant.expires_at is not None]
    trial = sum(grant.remaining for grant in spendable if grant.expires_at is not None)
    paid = sum(grant.remaining for grant in spendable if grant.expires_at is None)
    return Balance(paid, trial, min(ends_at, default=None))
