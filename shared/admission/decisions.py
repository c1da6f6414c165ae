"""What is asked of the admission desk and what it answers. Refusals are values, not errors."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.ids import AccountId, KeyDigest, KeyId, RequestId


class CallKind(StrEnum):
    """What a lost request has delivered: a whole answer is all or nothing."""

    WHOLE = "whole"
    STREAM = "stream"


class PromptCount(StrEnum):
    """What `tokens_prompt` is: a cheap upper bound, or the upstream's own count."""

    BOUND = "bound"
    EXACT = "exact"


class Refusal(StrEnum):
    KEY_REVOKED = "key_revoked"
    KEY_RATE = "key_rate"
    KEY_CONCURRENCY = "key_concurrency"
    BALANCE_EXHAUSTED = "balance_exhausted"
    """Gone for good, until somebody pays."""
    BALANCE_HELD = "balance_held"
    """Only the holds of running requests stand in the way."""
    IP_RATE = "ip_rate"
    ENDED = "ended"
    """This request id was settled or released before: only a late repeat sees this."""


class Missing(StrEnum):
    KEY = "key"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class HoldRequest:
    request_id: RequestId
    digest: KeyDigest
    account_id: AccountId
    endpoint: str
    model: str
    kind: CallKind
    tokens_prompt: int
    prompt_count: PromptCount
    tokens_completion: int


@dataclass(frozen=True, slots=True)
class RateState:
    """For the x-ratelimit headers. `reset_seconds`: until the window is empty again."""

    limit: int
    remaining: int
    reset_seconds: float


@dataclass(frozen=True, slots=True)
class Admitted:
    """`tokens_held` = prompt + `tokens_completion`, which may be less than was asked for."""

    account_id: AccountId
    key_id: KeyId
    tokens_held: int
    tokens_completion: int
    rate: RateState
    admitted_at: datetime


@dataclass(frozen=True, slots=True)
class Authenticated:
    account_id: AccountId
    key_id: KeyId
    rate: RateState


@dataclass(frozen=True, slots=True)
class Refused:
    """`retry_after_seconds` is rounded up: who waits that long finds a place. 0: waiting does not help."""

    reason: Refusal
    retry_after_seconds: int
    rate: RateState | None = field(compare=False)
    """The key's, or the address's where no key is known."""


@dataclass(frozen=True, slots=True)
class CountNeeded:
    """The bound of the prompt does not fit what the money allows: come again with the exact count."""

    rate: RateState | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Redis does not know it (any more): fail closed, have it refilled, come again."""

    missing: Missing
    rate: RateState | None = field(default=None, compare=False)
    """The key's when only the account is missing, else the address's."""


Decision = Admitted | Refused | CountNeeded | Unknown


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far an open request has come, and its whole hold: a Redis that has lost it takes it from here.

    `tokens_held` and `admitted_at` are those of its admission; `model` may be empty."""

    account_id: AccountId
    request_id: RequestId
    digest: KeyDigest
    key_id: KeyId
    kind: CallKind
    endpoint: str
    model: str
    tokens_held: int
    admitted_at: datetime
    tokens_prompt: int
    tokens_completion: int


@dataclass(frozen=True, slots=True)
class CheckpointReply:
    """What to do about some of the requests, in the order they were given; one may be in several lists.

    `swept`: its hold was taken away (or it has ended); end it, its settlement corrects what was charged.
    `revoked`: its key works no longer. `key_missing`: Redis does not know its key; have it refilled."""

    swept: tuple[RequestId, ...]
    revoked: tuple[RequestId, ...]
    key_missing: tuple[RequestId, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """`tokens` is what was charged."""

    tokens: int


@dataclass(frozen=True, slots=True)
class AlreadySettled:
    """At this revision or a later one; nothing changed."""
