"""What an account may spend, from its open grants: tokens that stay and tokens that end, less what it owes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.metering.domain.grants import Grant


@dataclass(frozen=True, slots=True)
class Balance:
    """Posted tokens. `trial` is all that ends one day; `trial_expires_at` when the first of it does. What is owed
    (reversed, and spent before) is off `paid`; `debt` is the rest, and comes off the trial as well."""

    paid: int
    trial: int
    trial_expires_at: datetime | None
    debt: int = 0
    frozen: int = 0

    @property
    def available(self) -> int:
        return max(self.paid + self.trial - self.debt, 0)


def balance_of(grants: Iterable[Grant], now: datetime, *, owed: int = 0) -> Balance:
    """A grant that has ended no longer counts, whether or not its `expiry` entry is posted yet."""
    valid = [grant for grant in grants if grant.remaining > 0 and grant.is_valid(now)]
    ending = [grant for grant in valid if not grant.is_paid]
    paid = spendable_paid(valid) - owed
    return Balance(
        paid=max(paid, 0),
        trial=sum(grant.remaining for grant in ending),
        trial_expires_at=min((grant.expires_at for grant in ending if grant.expires_at), default=None),
        debt=max(-paid, 0),
        frozen=frozen_in(valid),
    )


def spendable_paid(grants: Iterable[Grant]) -> int:
    """What never ends and is not frozen."""
    return sum(grant.remaining for grant in grants if grant.is_paid and not grant.is_frozen)


def frozen_in(grants: Iterable[Grant]) -> int:
    return sum(grant.remaining for grant in grants if grant.is_frozen)
