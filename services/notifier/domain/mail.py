"""A mail that is owed to somebody, as the table keeps it and as a delivery takes it up."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.ids import AccountId


class MailKind(StrEnum):
    KEY_REGISTERED = "key_registered"
    KEY_REPLACED = "key_replaced"


@dataclass(frozen=True, slots=True)
class KeyMail:
    """A request to mail an API key. The event's id names the mail for ever, also in its Message-ID."""

    event_id: UUID
    account_id: AccountId
    recipient: str = field(repr=False)
    kind: MailKind
    sealed_key: str = field(repr=False)
    key_display: str


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """A mail taken up for one attempt. `attempts` counts this one and tells it from a later claim."""

    mail: KeyMail
    request_id: str | None
    attempts: int
    requested_at: datetime
    was_interrupted: bool
    """An earlier attempt never told its outcome: this one may deliver a duplicate."""
