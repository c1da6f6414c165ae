"""The response object: what was asked for with its effective values, what came of it, and what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.domain.counts import Counts
from services.gateway.domain.generation import AnswerId, ErrorBody
from services.gateway.domain.response_items import Item, ItemKind, Json

CUT_BY_LIMIT: Json = {"reason": "max_output_tokens"}
FAILED_CODE = "server_error"
"""Of the codes that OpenAI's type allows here, the only one that fits; the error event has our own."""


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """How an answer came to its end: the chat's `finish_reason`, and when, by the upstream's clock."""

    finish_reason: str | None
    ended_at: int

    @property
    def status(self) -> str:
        """A cut answer is not a complete one, also when SDKs are the stricter for it."""
        return "incomplete" if self.finish_reason == "length" else "completed"


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What all states of one response share. `echoed`: the request's fields with their effective values."""

    answer_id: AnswerId
    echoed: Mapping[str, Any]

    def item(self, kind: ItemKind, index: int) -> Item:
        return Item(kind, index, self._answer)

    def in_progress(self, model: str) -> Json:
        return self._state("in_progress", model, [])

    def ended(self, ending: AnswerEnd, model: str, output: list[Json], counts: Counts | None) -> Json:
        if ending.status == "incomplete":
            more: Json = {"incomplete_details": CUT_BY_LIMIT}
        else:
            more = {"completed_at": max(ending.ended_at, self._created_at)}
        return self._state(ending.status, model, output, usage=_usage(counts), **more)

    def failed(self, error: ErrorBody, model: str, output: list[Json], counts: Counts | None) -> Json:
        shown = {"code": FAILED_CODE, "message": error["message"]}
        return self._state("failed", model, output, usage=_usage(counts), error=shown)

    def _state(self, status: str, model: str, output: list[Json], **more: Any) -> Json:
        return {
            "id": f"resp_{self._answer}",
            "object": "response",
            "created_at": self._created_at,
            "completed_at": None,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": model,
            "output": output,
            "usage": None,
            **self.echoed,
            **more,
        }

    @property
    def _answer(self) -> str:
        """The request's id: one is found by the other."""
        return self.answer_id.request_id.replace("-", "")

    @property
    def _created_at(self) -> int:
        return int(self.answer_id.created_at.timestamp())


def _usage(counts: Counts | None) -> Json | None:
    """How many of the tokens were reasoning the upstream does not tell; they are inside `output_tokens`."""
    if counts is None:
        return None
    return {
        "input_tokens": counts.prompt,
        "input_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": 0},
        "output_tokens": counts.completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counts.prompt + counts.completion,
    }
