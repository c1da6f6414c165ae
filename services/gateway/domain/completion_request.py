"""A text completion: one prompt string goes on, without a conversation or its template.

llama-server takes lists of prompts and of token ids here as well, and then tells the usage of the first alone
(measured: two prompts of 2 tokens each, three tokens generated for each, usage 2 + 3): so they are refused.
"""

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
from services.gateway.domain.checks import boolean, not_supported, only_one
from services.gateway.domain.errors import InvalidRequest, MissingParameter
from services.gateway.domain.generation import AnswerId, CompletionLimits, UpstreamCall, WholeAnswer
from services.gateway.domain.json_body import decode_object, encode
from services.gateway.domain.raw_text import TOKENIZE_PATH, text_bound, tokenize_body
from services.gateway.domain.whole_answer import read_whole_answer

PATH = "/v1/completions"
PROMPT_FIELD = "prompt"
OFFER = "text completions"
ONLY_IN_CHAT = ("logprobs", "top_logprobs", "reasoning_effort")
"""`logprobs` means a number here, and its answer has another shape, which llama-server does not know."""
SAMPLING = {name: check for name, check in PASSED.items() if name not in ONLY_IN_CHAT}
ONLY_ONE = ("n", "n_cmpl", "best_of")
STRUCTURED = frozenset({"prompt", "max_tokens", "stream", "stream_options", "echo", *ONLY_ONE})
KNOWN = frozenset(SAMPLING) | STRUCTURED | WITHOUT_EFFECT
REFUSED = frozenset({"logprobs", "suffix"})
"""Of OpenAI's: llama-server leaves `suffix` and `echo` out without a word."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A GenerationRequest for the rest of a text."""

    _prompt: str
    _fields: bytes
    stream: bool
    include_usage: bool
    tokens_prompt_bound: int
    tokens_completion: int
    ignored_fields: tuple[str, ...]

    def __repr__(self) -> str:
        return f"CompletionRequest(stream={self.stream}, tokens_completion={self.tokens_completion})"

    def upstream_call(self, tokens_completion: int) -> UpstreamCall:
        tail = STREAMED if self.stream else NOT_STREAMED
        body = b'{%s,"max_tokens":%d,%s}' % (self._fields, tokens_completion, tail)
        return UpstreamCall(PATH, body, PROMPT_FIELD, OFFER)

    def count_call(self) -> UpstreamCall:
        return UpstreamCall(TOKENIZE_PATH, tokenize_body([self._prompt]), PROMPT_FIELD, OFFER)

    def answer_stream(self, _: AnswerId) -> ChatStream | None:
        return ChatStream(include_usage=self.include_usage) if self.stream else None

    def read_whole(self, body: bytes, _: AnswerId) -> WholeAnswer:
        return read_whole_answer(body)


def parse_completion_request(body: bytes, limits: CompletionLimits) -> CompletionRequest:
    """Raises InvalidRequest (or a subclass) naming the first field at fault."""
    given = present(decode_object(body))
    _refuse_by_name(given)
    ignored = unknown_fields(given, KNOWN)
    prompt = _prompt(given)
    return CompletionRequest(
        _prompt=prompt,
        _fields=encode({"prompt": prompt} | checked(given, SAMPLING))[1:-1],
        stream=wants_stream(given),
        include_usage=wants_usage(given),
        tokens_prompt_bound=text_bound([prompt]),
        tokens_completion=token_limit(given, ("max_tokens",), limits),
        ignored_fields=tuple(ignored),
    )


def _refuse_by_name(given: dict[str, Any]) -> None:
    for name in given:
        if name in REFUSED:
            raise not_supported(name)
    for name in ONLY_ONE:
        if name in given:
            only_one(name, given[name])
    if "echo" in given and boolean("echo", given["echo"]):
        raise not_supported("echo")


def _prompt(given: dict[str, Any]) -> str:
    prompt = given.get("prompt")
    if prompt is None:
        raise MissingParameter("'prompt' is missing.", param="prompt")
    if not isinstance(prompt, str):
        message = "'prompt' must be one string: send a request for each, and text instead of token ids."
        raise InvalidRequest(message, param="prompt")
    return prompt
