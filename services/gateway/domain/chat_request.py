"""A chat request as the client sent it becomes the one that goes upstream: built anew, never forwarded."""

from dataclasses import dataclass
from typing import Any

from services.gateway.domain.chat_fields import PASSED, WITHOUT_EFFECT, is_refused
from services.gateway.domain.chat_stream import ChatStream
from services.gateway.domain.checks import boolean, integer, object_at, only_one
from services.gateway.domain.errors import InvalidRequest, UnsupportedParameter
from services.gateway.domain.generation import AnswerId, CompletionLimits, UpstreamCall, WholeAnswer
from services.gateway.domain.json_body import decode_object, encode
from services.gateway.domain.messages import Message, build_messages
from services.gateway.domain.prompt_bound import prompt_bound
from services.gateway.domain.tools import build_structure
from services.gateway.domain.whole_answer import read_whole_answer

PATH = "/v1/chat/completions"
COUNT_PATH = "/v1/chat/completions/input_tokens"
PROMPT_FIELD = "messages"
TOKEN_LIMIT_MAX = 2**31 - 1
FIELDS_MAX = 128
STRUCTURED = frozenset(
    {
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "modalities",
        "n",
        "n_cmpl",
    }
)
STREAMED = b'"stream":true,"stream_options":{"include_usage":true},"timings_per_token":true'
"""What the meter lives on; what the client did not ask for is cut out of the answer."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A GenerationRequest for a conversation."""

    _fields: bytes
    stream: bool
    include_usage: bool
    tokens_prompt_bound: int
    tokens_completion: int
    ignored_fields: tuple[str, ...]

    def __repr__(self) -> str:
        return f"ChatRequest(stream={self.stream}, tokens_completion={self.tokens_completion})"

    def upstream_call(self, tokens_completion: int) -> UpstreamCall:
        tail = STREAMED if self.stream else b'"stream":false'
        body = b'{%s,"max_tokens":%d,%s}' % (self._fields, tokens_completion, tail)
        return UpstreamCall(PATH, body, PROMPT_FIELD)

    def count_call(self) -> UpstreamCall:
        return UpstreamCall(COUNT_PATH, b"{%s}" % self._fields, PROMPT_FIELD)

    def answer_stream(self, _: AnswerId) -> ChatStream | None:
        return ChatStream(include_usage=self.include_usage) if self.stream else None

    def read_whole(self, body: bytes, _: AnswerId) -> WholeAnswer:
        return read_whole_answer(body)


def parse_chat_request(body: bytes, limits: CompletionLimits) -> ChatRequest:
    """Raises InvalidRequest (or a subclass) naming the first field at fault."""
    given = {name: value for name, value in decode_object(body).items() if value is not None}
    ignored = _sort_out(given)
    messages = build_messages(given.get("messages"))
    structure = build_structure(given)
    stream = boolean("stream", given.get("stream", False))
    messages_json, structure_json = encode(messages), encode(structure.body)
    fields = _scalars(given) | structure.body
    return ChatRequest(
        _fields=b'"messages":' + messages_json + (b"," + encode(fields)[1:-1] if fields else b""),
        stream=stream,
        include_usage=_wants_usage(given),
        tokens_prompt_bound=prompt_bound(
            messages=len(messages),
            message_bytes=len(messages_json),
            structure_bytes=(len(structure_json) if structure.body else 0) + _tool_call_bytes(messages),
        ),
        tokens_completion=_completion(given, limits),
        ignored_fields=(*ignored, *sorted(structure.left_out)),
    )


def _sort_out(given: dict[str, Any]) -> list[str]:
    """The names nobody knows. Raises UnsupportedParameter for those refused by name."""
    if len(given) > FIELDS_MAX:
        raise InvalidRequest(f"The request has more than {FIELDS_MAX} fields.")
    for name in given:
        if is_refused(name):
            raise UnsupportedParameter(f"'{name}' is not supported here: leave it out.", param=name)
    return [name for name in given if name not in PASSED and name not in STRUCTURED | WITHOUT_EFFECT]


def _scalars(given: dict[str, Any]) -> dict[str, Any]:
    for name in ("n", "n_cmpl"):
        if name in given:
            only_one(name, given[name])
    if given.get("modalities", ["text"]) != ["text"]:
        raise UnsupportedParameter("'modalities' must be [\"text\"].", param="modalities")
    empty: tuple[Any, ...] = ([], {})
    fields = {
        name: check(name, given[name]) for name, check in PASSED.items() if given.get(name, []) not in empty
    }
    if "top_logprobs" in fields and not fields.get("logprobs"):
        raise InvalidRequest("'top_logprobs' needs 'logprobs': true.", param="top_logprobs")
    return fields


def _wants_usage(given: dict[str, Any]) -> bool:
    options = object_at("stream_options", given.get("stream_options", {}))
    include_usage = options.get("include_usage")
    return include_usage is not None and boolean("stream_options.include_usage", include_usage)


def _completion(given: dict[str, Any], limits: CompletionLimits) -> int:
    """`max_completion_tokens` goes before its older name; both are checked."""
    wanted = limits.default
    for name in ("max_tokens", "max_completion_tokens"):
        if name in given:
            wanted = integer(1, TOKEN_LIMIT_MAX)(name, given[name])
    return min(wanted, limits.maximum)


def _tool_call_bytes(messages: list[Message]) -> int:
    return sum(len(encode(message["tool_calls"])) for message in messages if "tool_calls" in message)
