"""No field that OpenAI documents is left undecided: it passes, is honoured, has no effect that an answer would
show, is refused by name, or is named in x-ignored-fields. The list is that of the official SDK.
"""

import json
from typing import Any, get_args

import pytest
from openai.types import CompletionCreateParams, EmbeddingCreateParams
from openai.types.chat import CompletionCreateParams as ChatCreateParams
from openai.types.responses import ResponseCreateParams

from services.gateway.domain import (
    chat_fields,
    chat_request,
    completion_request,
    embedding_request,
    response_fields,
)
from services.gateway.domain.errors import InvalidRequest
from services.gateway.domain.generation import CompletionLimits

LIMITS = CompletionLimits(default=100, maximum=1000)
DECIDED_IN_CHAT = chat_request.KNOWN | chat_fields.REFUSED | chat_fields.NAMED_AS_IGNORED


def documented(params: Any) -> frozenset[str]:
    """Of both kinds, streamed and not."""
    kinds = get_args(params) or (params,)
    return frozenset().union(*(kind.__required_keys__ | kind.__optional_keys__ for kind in kinds))


@pytest.mark.parametrize(
    ("params", "decided"),
    [
        (ChatCreateParams, DECIDED_IN_CHAT),
        (ResponseCreateParams, response_fields.KNOWN),
        (CompletionCreateParams, completion_request.KNOWN | completion_request.REFUSED),
        (EmbeddingCreateParams, embedding_request.KNOWN | embedding_request.REFUSED),
    ],
)
def test_every_documented_field_is_decided(params: Any, decided: frozenset[str]) -> None:
    assert documented(params) - decided == set()


VALUES: dict[str, Any] = {
    "frequency_penalty": 0.5, "logit_bias": {"50256": -100}, "logprobs": True, "max_completion_tokens": 5,
    "max_tokens": 5, "metadata": {"a": "b"}, "modalities": ["text"], "model": "gpt-4o", "n": 1,
    "parallel_tool_calls": True, "prediction": {"type": "content", "content": "x"}, "presence_penalty": 0.5,
    "prompt_cache_key": "k", "prompt_cache_options": {}, "prompt_cache_retention": "24h",
    "reasoning_effort": "low", "response_format": {"type": "json_object"}, "safety_identifier": "s", "seed": 7,
    "service_tier": "auto", "stop": ["\n"], "store": False, "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": False}, "temperature": 0.5,
    "tool_choice": "auto", "tools": [{"type": "function", "function": {"name": "f"}}], "top_logprobs": 2,
    "top_p": 0.5, "user": "u", "verbosity": "low",
}  # fmt: skip
REFUSED = {"audio", "function_call", "functions", "moderation", "web_search_options"}
SENT_AS_THEY_ARE = {
    "frequency_penalty", "logit_bias", "logprobs", "parallel_tool_calls", "presence_penalty", "reasoning_effort",
    "response_format", "seed", "stop", "stream", "temperature", "tool_choice", "tools", "top_logprobs", "top_p",
}  # fmt: skip
"""The token limit is always ours, and usage is always asked for."""
NEEDS = {"top_logprobs": {"logprobs": True}, "tool_choice": {"tools": VALUES["tools"]}} | {
    "parallel_tool_calls": {"tools": VALUES["tools"]}
}


def ask_chat(fields: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    body = {"messages": [{"role": "user", "content": "Hi"}]} | fields
    request = chat_request.parse_chat_request(json.dumps(body).encode(), LIMITS)
    return json.loads(request.upstream_call(5).body), request.ignored_fields


def test_the_table_covers_the_documented_fields_of_a_chat() -> None:
    assert VALUES.keys() | REFUSED | {"messages"} == documented(ChatCreateParams)


@pytest.mark.parametrize("field", sorted(VALUES))
def test_what_clients_send_passes_or_is_named(field: str) -> None:
    sent, ignored = ask_chat({field: VALUES[field]} | NEEDS.get(field, {}))
    if field in SENT_AS_THEY_ARE:
        assert sent[field] == VALUES[field]
    else:
        assert field not in sent.keys() - {"max_tokens", "stream_options"}
    assert ignored == ((field,) if field in chat_fields.NAMED_AS_IGNORED else ())


@pytest.mark.parametrize("field", sorted(REFUSED))
def test_what_cannot_be_had_is_refused_by_name(field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ask_chat({field: "x"})
    assert refused.value.param == field


def test_the_newer_name_of_the_token_limit_goes_first_and_a_developer_is_heard_as_the_system() -> None:
    body = {"messages": [{"role": "developer", "content": "Hi"}], "max_tokens": 9, "max_completion_tokens": 7}
    request = chat_request.parse_chat_request(json.dumps(body).encode(), LIMITS)
    assert request.tokens_completion == 7
    assert json.loads(request.upstream_call(7).body)["messages"][0]["role"] == "system"
