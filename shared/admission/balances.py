"""What an account can spend, as Redis knows it. Decides nothing about admission: admit.lua does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.admission.replies import instant_of


@dataclass(frozen=True, slots=True)
class BalanceView:
    """Tokens. `paid` and `trial` are after what is settled; `available` is also after what is held.

    `debt` is what the ledger counts as owed."""

    available: int
    paid: int
    trial: int
    trial_expires_at: datetime | None
    held: int
    debt: int


@dataclass(frozen=True, slots=True)
class _Grant:
    tokens: int
    expires_at_ms: int


def view_of(record: Mapping[bytes, bytes], now_ms: int) -> BalanceView:
    """Burns what is settled as the ledger will: what expires first, then what never does."""
    posted, held, journalled = (int(record[name]) for name in (b"posted", b"held", b"journalled"))
    open_grants = [grant for grant in _grants_in(record) if grant.expires_at_ms > now_ms and grant.tokens > 0]
    trial = sum(grant.tokens for grant in open_grants)
    trial_left = max(trial - journalled, 0)
    rest = posted - (journalled - (trial - trial_left))
    ends_ms = min((grant.expires_at_ms for grant in open_grants), default=None)
    return BalanceView(
        available=max(trial_left + rest - held, 0),
        paid=max(rest, 0),
        trial=trial_left,
        trial_expires_at=None if ends_ms is None else instant_of(ends_ms),
        held=held,
        debt=max(-posted, 0),
    )


def _grants_in(record: Mapping[bytes, bytes]) -> list[_Grant]:
    values = (value for field, value in record.items() if field.startswith(b"grant:"))
    return [_Grant(*map(int, value.split(b":"))) for value in values]
