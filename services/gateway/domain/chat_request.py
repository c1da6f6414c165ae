"""A chat request as the client sent it becomes the one that goes upstream: built anew, never forwarded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.domain.body_fields import (
    NOT_STREAMED,
    STREAMED,
    checked,
    present,
    token_limit,
    unknown_fields,
    wants_stream,
    wants_usage,
)
from services.gateway.domain.chat_fields import PASSED, WITHOUT_EFFECT
from services.gateway.domain.chat_stream import ChatStream
from services.gateway.domain.checks import only_one
from services.gateway.domain.errors import InvalidRequest, UnsupportedParameter
from services.gateway.domain.generation import AnswerId, CompletionLimits, UpstreamCall, WholeAnswer
from services.gateway.domain.json_body import decode_object, encode, encode_checked
from services.gateway.domain.messages import Message, build_messages
from services.gateway.domain.prompt_bound import prompt_bound
from services.gateway.domain.tools import build_structure
from services.gateway.domain.unknown_members import CHAT_SHAPE, unknown_members
from services.gateway.domain.whole_answer import read_whole_answer

PATH = "/v1/chat/completions"
COUNT_PATH = "/v1/chat/completions/input_tokens"
PROMPT_FIELD = "messages"
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
KNOWN = frozenset(PASSED) | STRUCTURED | WITHOUT_EFFECT


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
        tail = STREAMED if self.stream else NOT_STREAMED
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
    return build_chat_request(decode_object(body), limits)


def build_chat_request(body: Mapping[str, Any], limits: CompletionLimits) -> ChatRequest:
    given = present(body)
    ignored = unknown_fields(given, KNOWN)
    messages = build_messages(given.get("messages"))
    structure = build_structure(given)
    messages_json = encode_checked(messages)
    structure_json = encode(structure.body)[1:-1] if structure.body else b""
    parts = (b'"messages":' + messages_json, encode_checked(_scalars(given))[1:-1], structure_json)
    return ChatRequest(
        _fields=b",".join(filter(None, parts)),
        stream=wants_stream(given),
        include_usage=wants_usage(given),
        tokens_prompt_bound=prompt_bound(
            messages=len(messages),
            message_bytes=len(messages_json),
            structure_bytes=len(structure_json) + _tool_call_bytes(messages),
        ),
        tokens_completion=token_limit(given, ("max_tokens", "max_completion_tokens"), limits),
        ignored_fields=(*ignored, *unknown_members(given, CHAT_SHAPE), *sorted(structure.left_out)),
    )


def _scalars(given: dict[str, Any]) -> dict[str, Any]:
    for name in ("n", "n_cmpl"):
        if name in given:
            only_one(name, given[name])
    if given.get("modalities", ["text"]) != ["text"]:
        raise UnsupportedParameter("'modalities' must be [\"text\"].", param="modalities")
    fields = checked(given, PASSED)
    if "top_logprobs" in fields and not fields.get("logprobs"):
        raise InvalidRequest("'top_logprobs' needs 'logprobs': true.", param="top_logprobs")
    return fields


def _tool_call_bytes(messages: list[Message]) -> int:
    return sum(len(encode(message["tool_calls"])) for message in messages if "tool_calls" in message)
