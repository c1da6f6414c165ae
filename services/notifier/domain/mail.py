"""A mail that is owed to somebody, as the table keeps it and as a delivery takes it up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.ids import AccountId

Facts = Mapping[str, str | int]
"""What a letter of its kind says: figures and names, no secret, no address. Instants in ISO 8601."""


class MailKind(StrEnum):
    KEY_REGISTERED = "key_registered"
    KEY_REPLACED = "key_replaced"
    KEY_RECOVERED = "key_recovered"
    RECOVERY_LINK = "recovery_link"
    PURCHASE_COMPLETED = "purchase_completed"
    PURCHASE_REVERSED = "purchase_reversed"
    BALANCE_LOW = "balance_low"
    BALANCE_EXHAUSTED = "balance_exhausted"
    TRIAL_ENDING = "trial_ending"


SECRET_KINDS = frozenset(
    {MailKind.KEY_REGISTERED, MailKind.KEY_REPLACED, MailKind.KEY_RECOVERED, MailKind.RECOVERY_LINK}
)
"""Nothing is left to say once their secret is erased."""


@dataclass(frozen=True, slots=True)
class Mail:
    """The event's id names the mail for ever, also in its Message-ID."""

    event_id: UUID
    account_id: AccountId
    kind: MailKind
    facts: Facts
    sealed_secret: str | None = field(default=None, repr=False)
    """The key or link of those kinds that carry one."""

    def is_too_late(self, now: datetime) -> bool:
        """What it tells of has ended: a link that works no longer, a trial that is over."""
        expires_at = self.facts.get("expires_at")
        return isinstance(expires_at, str) and datetime.fromisoformat(expires_at) <= now


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """A mail taken up for one attempt. `claim` tells it from a later one; `attempts` counts since it was asked for."""

    mail: Mail
    recipient: str = field(repr=False)
    request_id: str | None
    claim: int
    attempts: int
    requested_at: datetime
    was_interrupted: bool
    """An earlier attempt never told its outcome: this one may deliver a duplicate."""
