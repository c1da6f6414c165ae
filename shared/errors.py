"""Errors with a *kind*, which says what the caller can do, and a stable *code* for programs.

    PromptlyError
    ├── (each service's own, in its domain)
    ├── Unavailable         a part that is needed does not answer; come again
    │   └── PartMissing     ... which a service needs to start, and waits for
    ├── Poison              a message that can never be handled: park it
    └── NotYet              a message that cannot be handled now: try it again later

A kind becomes an HTTP status in `shared.http.errors` and an acknowledgement in
`shared.bus.consumer`. Expected refusals are return values, not errors.
"""

from enum import Enum
from typing import ClassVar


class Kind(Enum):
    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    PAYMENT = "payment"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD = "method"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    LIMITED = "limited"
    INTERNAL = "internal"
    UPSTREAM = "upstream"
    UNAVAILABLE = "unavailable"
    UPSTREAM_TIMEOUT = "upstream_timeout"


class PromptlyError(Exception):
    """Base of our errors. `message` is for the caller: what was wrong and the way out, no secrets."""

    kind: ClassVar[Kind] = Kind.INTERNAL
    code: ClassVar[str] = "internal_error"

    def __init__(
        self, message: str, *, param: str | None = None, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_seconds = retry_after_seconds


class Unavailable(PromptlyError):
    """A part of the system that is needed for this does not answer."""

    kind = Kind.UNAVAILABLE
    code = "unavailable"


class PartMissing(Unavailable):
    """What a service cannot start without is not there yet. `part` is its name in /ready."""

    part: ClassVar[str]


class Poison(PromptlyError):
    """A message that no retry can mend: wrong schema, impossible content."""

    kind = Kind.INVALID
    code = "poison"


class NotYet(PromptlyError):
    """A message whose precondition has not arrived yet, e.g. usage before its account."""

    kind = Kind.UNAVAILABLE
    code = "not_yet"
