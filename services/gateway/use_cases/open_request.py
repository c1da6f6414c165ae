"""A request that holds tokens, and the set of all of them in this process."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.gateway.domain.charge import Ending
from services.gateway.domain.counts import Counts
from services.gateway.domain.generation import (
    AnswerId,
    AnswerStream,
    GenerationRequest,
    UpstreamCall,
    WholeAnswer,
)
from services.gateway.use_cases.measure import Stopwatch
from shared.admission.decisions import Admitted, CallKind, Checkpoint
from shared.ids import KeyDigest, RequestId


@dataclass(slots=True, eq=False)
class OpenRequest:
    """From its admission to its settlement. `is_generating`: an upstream has the whole request, and may answer.
    `stream` is None when the answer comes in one piece, `whole` until it has come."""

    request_id: RequestId
    digest: KeyDigest
    endpoint: str
    asked: GenerationRequest
    hold: Admitted
    stream: AnswerStream | None = field(init=False)
    whole: WholeAnswer | None = None
    is_generating: bool = False
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    ending_when_cancelled: Ending = Ending.CLIENT_LEFT
    work: asyncio.Task[object] | None = None
    settlement: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.stream = self.asked.answer_stream(self._answer_id())

    def begin_generating(self) -> None:
        self.is_generating = True

    def stop_generating(self) -> None:
        self.is_generating = False

    def counts(self) -> Counts | None:
        """Of what is delivered in pieces, so far; of a whole answer, at its end."""
        if self.stream is not None:
            return self.stream.counts()
        return self.whole.counts if self.whole else None

    @property
    def model(self) -> str:
        """Empty until the answer names it."""
        source = self.stream or self.whole
        return source.model if source else ""

    def upstream_call(self) -> UpstreamCall:
        return self.asked.upstream_call(self.hold.tokens_completion)

    def read_whole(self, body: bytes) -> WholeAnswer:
        return self.asked.read_whole(body, self._answer_id())

    def checkpoint(self) -> Checkpoint:
        counts = self.stream.counts() if self.stream else None
        prompt, completion = (counts.prompt, counts.completion) if counts else (0, 0)
        return Checkpoint(
            account_id=self.hold.account_id,
            request_id=self.request_id,
            digest=self.digest,
            key_id=self.hold.key_id,
            kind=CallKind.STREAM if self.asked.stream else CallKind.WHOLE,
            endpoint=self.endpoint,
            model=self.model,
            tokens_held=self.hold.tokens_held,
            admitted_at=self.hold.admitted_at,
            tokens_prompt=prompt,
            tokens_completion=completion,
        )

    def leave(self) -> None:
        """Its client has. What ended it before that stays the reason."""
        self._cancel_once()

    def cut(self) -> None:
        """End it from our side: its hold was swept, or this process is stopping. Of a whole answer nothing has
        been delivered, and nothing will be."""
        self._cancel_once()
        self.ending_when_cancelled = Ending.CUT

    def revoke(self) -> None:
        """End it because its key works no longer. A whole answer that is being made runs on, to be withheld."""
        if self.asked.stream or not self.is_generating:
            self._cancel_once()
        self.ending_when_cancelled = Ending.REVOKED

    def _answer_id(self) -> AnswerId:
        return AnswerId(self.request_id, self.hold.admitted_at)

    def _cancel_once(self) -> None:
        """A second time would interrupt what ends it, such as closing the upstream."""
        if self.work is not None and not self.work.cancelling():
            self.work.cancel()

    @property
    def was_cut(self) -> bool:
        return self.ending_when_cancelled is not Ending.CLIENT_LEFT

    @property
    def was_revoked(self) -> bool:
        return self.ending_when_cancelled is Ending.REVOKED

    @property
    def has_ended(self) -> bool:
        return self.settlement is not None


class OpenRequests:
    """What this process holds tokens for, now."""

    def __init__(self) -> None:
        self._by_id: dict[RequestId, OpenRequest] = {}

    def add(self, request: OpenRequest) -> None:
        self._by_id[request.request_id] = request

    def remove(self, request: OpenRequest) -> None:
        self._by_id.pop(request.request_id, None)

    def __len__(self) -> int:
        return len(self._by_id)

    def checkpoints(self) -> list[Checkpoint]:
        return [request.checkpoint() for request in self._by_id.values()]

    def find_all(self, request_ids: Iterable[RequestId]) -> list[OpenRequest]:
        return [self._by_id[request_id] for request_id in request_ids if request_id in self._by_id]

    def find_by_key(self, digest: KeyDigest) -> list[OpenRequest]:
        return [request for request in self._by_id.values() if request.digest == digest]
