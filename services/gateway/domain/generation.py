"""What an endpoint tells the core: its request, built anew for the upstream, and how to read the answer.

One admission, one relay, one settlement serve all endpoints; they differ in what implements these protocols.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from services.gateway.domain.counts import Counts
from services.gateway.domain.errors import UpstreamFailed
from shared.ids import RequestId

BROKEN_OFF = "The model server broke off in the middle of the answer. What you received so far is charged."
ErrorBody = dict[str, Any]
"""`message`, `type`, `param` and `code`, as in OpenAI's `error` objects."""


@dataclass(frozen=True, slots=True)
class CompletionLimits:
    """Tokens of an answer: when the client gives no limit, and at most."""

    default: int
    maximum: int


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """One POST to the model server. `prompt_field`: the client's name for the prompt, for errors about it.
    `offer`: what is asked for, where a model need not have it."""

    path: str
    body: bytes = field(repr=False)
    prompt_field: str
    offer: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerId:
    """What an answer is named by, where the upstream's own names do not pass."""

    request_id: RequestId
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """`counts` is None when the upstream said nothing about tokens."""

    body: bytes
    counts: Counts | None
    model: str


class AnswerStream(Protocol):
    """One answer in progress. After `is_done` or `failure` there is nothing more to come."""

    model: str
    is_done: bool
    failure: UpstreamFailed | None

    def pass_plain(self, data: bytes) -> bytes | None:
        """What `feed` would give, for a piece of the usual kind, which ends nothing; None for any other: feed it."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Bytes of the upstream in, whole events for the client out."""
        ...

    def counts(self) -> Counts | None:
        """What it has come to so far; None: nothing has been generated that we know of."""
        ...

    def broken_by(self, error: ErrorBody) -> bytes:
        """The last events of an answer that ends in an error, at any point: SDKs take a bare end for complete."""
        ...


class GenerationRequest(Protocol):
    """What a client wants generated, within its bounds. `tokens_completion` is what is asked for; money may
    grant less. An implementation's `repr` hides the prompt."""

    @property
    def stream(self) -> bool: ...

    @property
    def tokens_prompt_bound(self) -> int: ...

    @property
    def tokens_completion(self) -> int: ...

    @property
    def ignored_fields(self) -> tuple[str, ...]: ...

    def upstream_call(self, tokens_completion: int) -> UpstreamCall: ...

    def count_call(self) -> UpstreamCall:
        """For the upstream's count of the prompt: exact, or a close upper bound."""
        ...

    def answer_stream(self, answer_id: AnswerId) -> AnswerStream | None:
        """None when the answer comes in one piece."""
        ...

    def read_whole(self, body: bytes, answer_id: AnswerId) -> WholeAnswer:
        """Raises UpstreamFailed when the body is no such answer."""
        ...
