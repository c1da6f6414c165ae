"""What one attempt at a mail means for it: sent, again later, refused for good, or given up.

RFC 5321 section 4.2.1: 4yz asks to try again, 5yz is final; a broken connection counts as 4yz. Only a reply to
the recipient or to the content speaks about the mail. A refused login or sender is a setting of ours, however
final its code: the operator mends it while the mail waits.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

RETRY_DELAYS_SECONDS = (30, 120, 600, 1800)
LAST_DELAY_SECONDS = 3600
GIVE_UP_AFTER = timedelta(hours=24)
JITTER_SHARE = 0.2
"""Mails that failed together come back spread over this share of their delay."""
FIRST_FINAL_CODE = 500


@dataclass(frozen=True, slots=True)
class Accepted:
    """The relay has taken the mail and answers for it."""


@dataclass(frozen=True, slots=True)
class MailRefused:
    """The relay refused the recipient or the content with this reply code."""

    code: int


@dataclass(frozen=True, slots=True)
class RelayFailed:
    """Nothing was said about the mail: connection, TLS, login, sender, or silence (no code)."""

    code: int | None


Attempt = Accepted | MailRefused | RelayFailed


@dataclass(frozen=True, slots=True)
class Sent:
    pass


@dataclass(frozen=True, slots=True)
class RetryAt:
    at: datetime
    code: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """No code: the mail could not even be addressed."""

    code: int | None


@dataclass(frozen=True, slots=True)
class GivenUp:
    code: int | None


Outcome = Sent | RetryAt | Refused | GivenUp


def decide(
    attempt: Attempt, *, attempts: int, requested_at: datetime, now: datetime, jitter: float
) -> Outcome:
    """`attempts` counts this one; `jitter` is random in [0, 1)."""
    if isinstance(attempt, Accepted):
        return Sent()
    if isinstance(attempt, MailRefused) and attempt.code >= FIRST_FINAL_CODE:
        return Refused(attempt.code)
    retry_at = now + timedelta(seconds=_delay_seconds(attempts) * (1 + JITTER_SHARE * jitter))
    if retry_at - requested_at > GIVE_UP_AFTER:
        return GivenUp(attempt.code)
    return RetryAt(retry_at, attempt.code)


def _delay_seconds(attempts: int) -> int:
    if attempts > len(RETRY_DELAYS_SECONDS):
        return LAST_DELAY_SECONDS
    return RETRY_DELAYS_SECONDS[attempts - 1]
