"""What an account can spend, as Redis knows it. Decides nothing about admission: admit.lua does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.admission.replies import instant_of

GRANT = b"grant:"


@dataclass(frozen=True, slots=True)
class BalanceView:
    """Tokens. `paid` and `trial` are after what is settled; `available` is also after what is held."""

    available: int
    paid: int
    trial: int
    trial_expires_at: datetime | None
    held: int
    debt: int


@dataclass(frozen=True, slots=True)
class Grant:
    """Tokens that end: a trial, or what an operator gave for some days."""

    grant_id: str
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
        debt=max(-rest, 0),
    )


def _grants_in(record: Mapping[bytes, bytes]) -> list[Grant]:
    return [_grant_of(field, value) for field, value in record.items() if field.startswith(GRANT)]


def _grant_of(field: bytes, value: bytes) -> Grant:
    tokens, expires_at_ms = value.split(b":")
    return Grant(field.removeprefix(GRANT).decode(), int(tokens), int(expires_at_ms))
