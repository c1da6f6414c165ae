"""Who gets a trial, and which: once per person, as far as an address tells who a person is.

The alias rules decide only this. The account itself is the exact address, and mail goes only there.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

GMAIL_DOMAINS = frozenset({"gmail.com", "googlemail.com"})
"""Both deliver to the same mailbox, whatever dots stand in the name before the @."""


@dataclass(frozen=True, slots=True)
class TrialTerms:
    """What the operator gives; zero tokens means no trials."""

    tokens: int
    days: int


def expires_at(terms: TrialTerms, *, begins_at: datetime) -> datetime:
    """From here on no new request may spend the trial."""
    return begins_at + timedelta(days=terms.days)


def address_hash_of(email: str, pepper: bytes) -> str:
    """What is remembered of a trial: tells the same mailbox again, but not whose it is."""
    return hmac.digest(pepper, f"trial:{mailbox_of(email)}".encode(), "sha256").hex()


def mailbox_of(email: str) -> str:
    """The address without what a person can vary and still get the mail."""
    name, _, domain = email.lower().rpartition("@")
    name = name.partition("+")[0] or name
    if domain in GMAIL_DOMAINS:
        return f"{name.replace('.', '')}@gmail.com"
    return f"{name}@{domain}"
