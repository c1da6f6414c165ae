"""A request for a response becomes a chat request: one upstream route, one metering path."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services.gateway.domain.body_fields import checked, present, token_limit, unknown_fields, wants_stream
from services.gateway.domain.chat_fields import PASSED
from services.gateway.domain.chat_request import ChatRequest, build_chat_request
from services.gateway.domain.checks import text
from services.gateway.domain.generation import AnswerId, CompletionLimits, UpstreamCall, WholeAnswer
from services.gateway.domain.json_body import decode_object, encode
from services.gateway.domain.response_fields import KNOWN, check_fields, effort_of, metadata_of
from services.gateway.domain.response_format import text_format
from services.gateway.domain.response_input import messages_of
from services.gateway.domain.response_object import ResponseHead
from services.gateway.domain.response_stream import ResponseStream
from services.gateway.domain.response_whole import read_whole_response
from services.gateway.domain.unknown_members import RESPONSE_SHAPE, unknown_members

PROMPT_FIELD = "input"
SAMPLING = {name: PASSED[name] for name in ("temperature", "top_p")}
FIXED: dict[str, Any] = {
    "background": False,
    "frequency_penalty": 0,
    "max_tool_calls": None,
    "parallel_tool_calls": False,
    "presence_penalty": 0,
    "previous_response_id": None,
    "service_tier": "default",
    "store": False,
    "temperature": 1.0,
    "tool_choice": "none",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
}
"""What is so for each response. The 1.0 of `temperature` and `top_p`, where a request gives none, stands for the
model server's own default: clients want a number."""
SHOWN_AS_GIVEN = ("instructions", "prompt_cache_key", "safety_identifier", "user")


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """A GenerationRequest by way of a chat. `echoed` holds instructions and labels, and does not show."""

    _chat: ChatRequest
    _echoed: Mapping[str, Any] = field(repr=False)
    ignored_fields: tuple[str, ...]

    @property
    def stream(self) -> bool:
        return self._chat.stream

    @property
    def tokens_prompt_bound(self) -> int:
        return self._chat.tokens_prompt_bound

    @property
    def tokens_completion(self) -> int:
        return self._chat.tokens_completion

    def upstream_call(self, tokens_completion: int) -> UpstreamCall:
        return replace(self._chat.upstream_call(tokens_completion), prompt_field=PROMPT_FIELD)

    def count_call(self) -> UpstreamCall:
        return replace(self._chat.count_call(), prompt_field=PROMPT_FIELD)

    def answer_stream(self, answer_id: AnswerId) -> ResponseStream | None:
        return ResponseStream(ResponseHead(answer_id, self._echoed)) if self.stream else None

    def read_whole(self, body: bytes, answer_id: AnswerId) -> WholeAnswer:
        return read_whole_response(body, ResponseHead(answer_id, self._echoed))


def parse_response_request(body: bytes, limits: CompletionLimits) -> ResponseRequest:
    """Raises InvalidRequest (or a subclass) naming the first field at fault."""
    given = present(decode_object(body))
    check_fields(given)
    ignored = unknown_fields(given, KNOWN)
    shape, effort, sampling = text_format(given), effort_of(given), checked(given, SAMPLING)
    limit = token_limit(given, ("max_output_tokens",), limits)
    chat = {
        "messages": messages_of(_instructions(given), given.get("input")),
        "stream": wants_stream(given),
        "max_tokens": limit,
        "reasoning_effort": effort,
        "response_format": shape.chat,
        **sampling,
    }
    echoed = FIXED | sampling | {name: given.get(name) for name in SHOWN_AS_GIVEN}
    echoed |= {
        "max_output_tokens": limit if "max_output_tokens" in given else None,
        "metadata": metadata_of(given),
        "reasoning": {"effort": effort, "summary": None},
        "text": {"format": shape.shown},
    }
    encode({**echoed, "instructions": None})  # what no JSON can carry is refused, not said back
    request = build_chat_request(chat, limits)
    left_out = (*ignored, *unknown_members(given, RESPONSE_SHAPE), *sorted(shape.left_out))
    return ResponseRequest(request, echoed, left_out)


def _instructions(given: Mapping[str, Any]) -> str | None:
    return text("instructions", given["instructions"]) if "instructions" in given else None
