"""A key as its holder sees it, and the rules for making, naming and rotating keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.ids import KeyId

ACTIVE_KEYS_MAX = 20
"""Enough for every program somebody runs; a bound for what is mirrored and listed."""
NAME_LENGTH_MAX = 60
LIFETIMES_DAYS = (7, 30, 90, 365)
GRACES_HOURS = (0, 1, 24, 168)
"""How long a rotated key goes on working beside its successor."""


@dataclass(frozen=True, slots=True)
class Key:
    key_id: KeyId
    name: str
    display: str
    kind: str
    state: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def is_active(self) -> bool:
        return self.state == "active"

    @property
    def title(self) -> str:
        return self.name or ("The key we mailed" if self.kind == "mailed" else "Unnamed key")


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What somebody asks for. `lifetime` None: it works until it is revoked."""

    name: str
    lifetime: timedelta | None


@dataclass(frozen=True, slots=True)
class BadTerms:
    field: str
    reason: str


def read_terms(name: str, days: str) -> KeyTerms | BadTerms:
    """From a form: `days` is empty or one of LIFETIMES_DAYS."""
    tidy = " ".join(name.split())
    if len(tidy) > NAME_LENGTH_MAX or not tidy.isprintable():
        return BadTerms("name", f"A name has at most {NAME_LENGTH_MAX} characters, none of them invisible.")
    if days in ("", "0"):
        return KeyTerms(tidy, None)
    if days not in map(str, LIFETIMES_DAYS):
        return BadTerms("days", f"A key ends after one of {_choices(LIFETIMES_DAYS)} days, or never.")
    return KeyTerms(tidy, timedelta(days=int(days)))


def read_grace(hours: str) -> timedelta | BadTerms:
    if hours not in map(str, GRACES_HOURS):
        return BadTerms("hours", f"The old key goes on working for one of {_choices(GRACES_HOURS)} hours.")
    return timedelta(hours=int(hours))


def _choices(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))
