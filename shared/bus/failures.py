"""What becomes of a message, or of a part of one, whose handling failed: a pure decision.

cannot ever be handled            Park: a copy for a human, with the reason
a dependency is down              Pause: nothing is wrong with the message; stop consuming
not yet, or anything unforeseen   Retry on the next rung of the ladder, after the last rung Park
"""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from shared.contracts.catalogue import UnknownEvent
from shared.contracts.envelope import Envelope
from shared.errors import NotYet, Poison, PromptlyError

REASON_LENGTH_MAX = 200

DEPENDENCY_DOWN = frozenset(
    {
        "builtins.OSError",
        "shared.errors.Unavailable",
        "aiormq.exceptions.AMQPError",
        "asyncpg.exceptions.PostgresConnectionError",
        "asyncpg.exceptions.InsufficientResourcesError",
        "asyncpg.exceptions.AdminShutdownError",
        "asyncpg.exceptions.CrashShutdownError",
        "asyncpg.exceptions.CannotConnectNowError",
        "asyncpg.exceptions.ReadOnlySQLTransactionError",
        "redis.exceptions.ConnectionError",
        "redis.exceptions.TimeoutError",
        "redis.exceptions.ReadOnlyError",
        "httpx.TransportError",
    }
)
"""Class names, because no service has all of these libraries. TimeoutError, refused and reset connections
and an SMTP server that does not answer are OSErrors."""


@dataclass(frozen=True, slots=True)
class Done:
    reason: str = "handled"


@dataclass(frozen=True, slots=True)
class Park:
    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    rung: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    reason: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """A part of a message that could not be handled while the rest was: an event of its own, and why. It is
    judged by itself; its error is never that a dependency is down."""

    envelope: Envelope
    error: Exception


@dataclass(frozen=True, slots=True)
class Partly:
    leftovers: Sequence[Leftover]

    @property
    def reason(self) -> str:
        return f"handled, but for {len(self.leftovers)} parts"


Verdict = Done | Partly | Retry | Park | Pause


def judge(error: Exception, *, attempts: int, rungs: int) -> Retry | Park | Pause:
    """`attempts` counts the failures before this one. A reason never holds what the message said."""
    reason = _reason_of(error)
    if isinstance(error, Poison | ValidationError | UnknownEvent):
        return Park(reason)
    if not isinstance(error, NotYet) and is_dependency_down(error):
        return Pause(reason)
    if attempts < rungs:
        return Retry(attempts, reason)
    return Park(f"gave up after {attempts + 1} attempts: {reason}")


def is_dependency_down(error: BaseException) -> bool:
    """Looks behind an error too: a lost connection often shows up as a failed rollback."""
    behind = error.__cause__ or error.__context__
    return _is_listed(error) or (behind is not None and is_dependency_down(behind))


def _is_listed(error: BaseException) -> bool:
    return any(f"{kind.__module__}.{kind.__qualname__}" in DEPENDENCY_DOWN for kind in type(error).__mro__)


def _reason_of(error: Exception) -> str:
    """Our own messages are written to be seen; of a foreign error only its name and place, because its text
    may quote a row or a field."""
    if isinstance(error, PromptlyError):
        return f"{error.code}: {error.message}"[:REASON_LENGTH_MAX]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"[:REASON_LENGTH_MAX]
