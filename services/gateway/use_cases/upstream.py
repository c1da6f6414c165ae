"""What the gateway needs of a model server. The transport behind it is an adapter's business."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from services.gateway.domain.generation import UpstreamCall


@dataclass(frozen=True, slots=True)
class Model:
    """`name` is a file's name, never a path; `created_at` in Unix seconds. `context_tokens`: of one request's prompt
    and answer together, where the server tells it."""

    name: str
    created_at: int
    context_tokens: int | None


Taker = Callable[[bytes], bool]
"""Whether it has taken the piece: then nobody else will read it."""


class UpstreamReply(Protocol):
    """An answer that has begun: status and first bytes. Both readers raise UpstreamFailed or UpstreamTimedOut."""

    status: int

    def offer_to(self, taker: Taker) -> None:
        """Each piece that comes while `read_piece` waits for one: what is taken at once wakes nobody."""
        ...

    def read_piece(self) -> Awaitable[bytes]:
        """The body as it comes: what is there and was not read yet; empty at its end."""
        ...

    async def read(self) -> bytes:
        """The whole body, which is bounded; the same when asked again."""
        ...


class Work(Protocol):
    """What a server is doing for a request, as it goes from one to another."""

    def begin_generating(self) -> None:
        """It has all it needs to begin."""
        ...

    def stop_generating(self) -> None:
        """It has failed before it said anything: nobody works on it now."""
        ...


class Upstream(Protocol):
    """Everything raises UpstreamFailed or UpstreamTimedOut when the server does not answer as agreed."""

    def open_answer(self, call: UpstreamCall, work: Work) -> AbstractAsyncContextManager[UpstreamReply]:
        """Send a request and wait for its answer's first bytes; leaving the context closes the connection, which
        ends the generation."""
        ...

    async def count_prompt(self, call: UpstreamCall) -> int:
        """The prompt's tokens, without generating. Raises what the request itself would have answered."""
        ...

    async def list_models(self) -> list[Model]: ...
