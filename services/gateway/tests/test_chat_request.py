"""What goes upstream is built, not forwarded; what cannot be used is refused by name."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.chat_fields import PASSED, REFUSED, WITHOUT_EFFECT
from services.gateway.domain.chat_request import ChatRequest, parse_chat_request
from services.gateway.domain.errors import InvalidRequest, MissingParameter, UnsupportedParameter
from services.gateway.domain.generation import CompletionLimits
from services.gateway.domain.prompt_bound import TEMPLATE_TOKENS

LIMITS = CompletionLimits(default=100, maximum=1000)
MESSAGES = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def parse(**fields: Any) -> ChatRequest:
    return parse_chat_request(json.dumps({"messages": MESSAGES} | fields).encode(), LIMITS)


def sent(request: ChatRequest, tokens: int = 5) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request.upstream_call(tokens).body)
    return body


def param_refused(**fields: Any) -> str | None:
    with pytest.raises(InvalidRequest) as refused:
        parse(**fields)
    return refused.value.param


def test_a_part_of_the_conversation_that_cannot_be_told_is_refused() -> None:
    said = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    assert param_refused(messages=[said]) == "messages[0].function_call"
    assert parse(messages=[said | {"function_call": None}]).ignored_fields == ()


def test_a_tool_that_is_required_must_be_there() -> None:
    assert param_refused(tool_choice="required", tools=[]) == "tool_choice"
    assert "tool_choice" not in sent(parse(tool_choice="auto"))


def test_a_whole_request_is_built_from_its_messages_and_the_granted_limit() -> None:
    assert sent(parse(model="gpt-4o")) == {"messages": MESSAGES, "max_tokens": 5, "stream": False}


def test_a_stream_always_asks_for_usage_and_timings() -> None:
    body = sent(parse(stream=True))
    assert body["stream_options"] == {"include_usage": True}
    assert body["timings_per_token"] is True


def test_sampling_fields_pass() -> None:
    fields = {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "stop": ["\n"], "seed": 7}
    assert fields.items() <= sent(parse(**fields)).items()


WORST = {"n_predict", "id_slot", "lora", "cache_prompt", "grammar", "verbose", "n_probs", "return_tokens"}
"""Written down again here: one that falls out of the table would be left out in silence."""


@pytest.mark.parametrize("field", [*sorted(REFUSED | WORST), "dry_multiplier", "mirostat", "xtc_probability"])
def test_dangerous_fields_are_refused_by_name(field: str) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        parse(**{field: 1})
    assert refused.value.param == field


@pytest.mark.parametrize("field", sorted(REFUSED | WITHOUT_EFFECT | set(PASSED) | {"tools", "n", "stream"}))
def test_null_is_absent(field: str) -> None:
    assert sent(parse(**{field: None})) == sent(parse())


def test_unknown_fields_are_left_out_and_named() -> None:
    request = parse(verbosity="low", future=1, user="u")
    assert request.ignored_fields == ("verbosity", "future")
    assert {"verbosity", "future", "user"} & sent(request).keys() == set()


def test_only_one_choice_is_made() -> None:
    assert param_refused(n=2) == "n"
    assert param_refused(n_cmpl=4) == "n_cmpl"
    assert sent(parse(n=1)) == sent(parse())


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({}, 100),
        ({"max_tokens": 7}, 7),
        ({"max_tokens": 7, "max_completion_tokens": 9}, 9),
        ({"max_tokens": None, "max_completion_tokens": None}, 100),
        ({"max_tokens": 10**6}, 1000),
    ],
)
def test_the_clients_limit_counts_within_ours(fields: dict[str, Any], tokens: int) -> None:
    assert parse(**fields).tokens_completion == tokens


@pytest.mark.parametrize("value", [0, -1, 1.5, "5", True, 2**40, [5]])
def test_a_limit_below_one_or_no_integer_is_refused(value: object) -> None:
    assert param_refused(max_tokens=value) == "max_tokens"
    assert param_refused(max_completion_tokens=value) == "max_completion_tokens"


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ("Hi", "messages"),
        (["Hi"], "messages[0]"),
        ([{"content": "Hi"}], "messages[0].role"),
        ([{"role": "zebra", "content": "Hi"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a"}}]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
        ([{"role": "assistant", "tool_calls": [{"id": "1"}]}], "messages[0].tool_calls[0].function"),
    ],
)  # fmt: skip
def test_a_message_at_fault_is_named(messages: Any, param: str) -> None:
    assert param_refused(messages=messages) == param


def test_missing_messages_are_missing() -> None:
    with pytest.raises(MissingParameter):
        parse(messages=None)


def test_messages_are_rebuilt_from_what_a_model_reads() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "cache": 1}
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief", "cache_control": {}}]},
        {"role": "assistant", "content": None, "tool_calls": [call], "audio": {"id": "x"}},
        {"role": "tool", "content": "4", "tool_call_id": "c1"},
    ]
    assert sent(parse(messages=messages))["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "Be brief"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{k: call[k] for k in ("id", "type", "function")}],
        },
        {"role": "tool", "content": "4", "tool_call_id": "c1"},
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": "hot"}, {"temperature": 3}, {"top_p": -1}, {"top_logprobs": 21, "logprobs": True},
        {"top_logprobs": 2}, {"logit_bias": {"a": 1}}, {"logit_bias": {"1": 101}}, {"stop": ["a"] * 5},
        {"stop": ""}, {"seed": 1.5}, {"stream": "yes"}, {"stream_options": {"include_usage": 1}},
        {"logprobs": 1}, {"modalities": ["text", "audio"]}, {"reasoning_effort": "extreme"},
        {"response_format": {"type": "xml"}}, {"response_format": {"type": "json_schema"}},
        {"tools": [{"type": "web_search"}]}, {"tools": [TOOL], "tool_choice": "maybe"},
        {"tools": [{"type": "function", "function": {"name": "a b"}}]}, {"tools": {}} | {"tools": "x"},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_with_their_field(fields: dict[str, Any]) -> None:
    assert param_refused(**fields)


def test_a_named_tool_is_the_only_one_and_required() -> None:
    other = {"type": "function", "function": {"name": "g"}}
    body = sent(parse(tools=[TOOL, other], tool_choice={"type": "function", "function": {"name": "g"}}))
    assert (body["tools"], body["tool_choice"]) == ([other], "required")
    assert param_refused(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "h"}})


def test_empty_lists_are_absent() -> None:
    assert sent(parse(tools=[], tool_choice="auto", stop=[], logit_bias={})) == sent(parse())


def test_patterns_in_schemas_are_left_out_and_named_but_not_properties_of_that_name() -> None:
    properties = {"pattern": {"type": "string", "pattern": "^(a+)+$"}}
    schema = {"type": "object", "properties": properties}
    request = parse(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    built = sent(request)["response_format"]["json_schema"]["schema"]
    assert built == {"type": "object", "properties": {"pattern": {"type": "string"}}}
    assert request.ignored_fields == ("response_format.json_schema.schema.pattern",)


def test_deep_wide_and_foreign_schemas_are_refused() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(40):
        deep = {"items": deep}
    wide = {"anyOf": [{"type": "string"}] * 5000}
    for schema in (deep, wide, {"$ref": "https://elsewhere/schema"}, "object"):
        assert param_refused(tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}])


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b'{"a":1}{', b'{"messages":[],"messages":[]}', b'{"temperature":NaN}',
        b'{"temperature":Infinity}', b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"a":' + b"[" * 100_000,
        b'{"seed":' + b"9" * 5000 + b"}", b'{"messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":'
        b'{"name":"f","parameters":{"maximum":1e999}}}]}',
        b'{"messages":[{"role":"user","content":"a"}],"temperature":1e999}',
    ],
)  # fmt: skip
def test_what_is_no_good_json_is_a_400(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_chat_request(body, LIMITS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
known_names = st.sampled_from(
    sorted(
        PASSED
        | {"messages": 0, "tools": 0, "tool_choice": 0, "response_format": 0, "stream_options": 0, "n": 0}
    )
)


@given(st.dictionaries(known_names | st.text(), json_values, max_size=4))
def test_no_body_is_worse_than_a_refusal(fields: dict[str, Any]) -> None:
    with suppress(InvalidRequest):
        assert json.loads(parse(**fields).upstream_call(1).body)["max_tokens"] == 1


@given(st.text(max_size=300))
def test_the_bound_is_never_below_the_bytes_of_what_is_said(text: str) -> None:
    request = parse(messages=[{"role": "user", "content": text}])
    assert request.tokens_prompt_bound >= len(text.encode()) + TEMPLATE_TOKENS


def test_tools_weigh_eight_times_their_bytes() -> None:
    difference = parse(tools=[TOOL]).tokens_prompt_bound - parse().tokens_prompt_bound
    assert difference >= 8 * len(json.dumps([TOOL], separators=(",", ":")))


def test_a_request_hides_its_prompt() -> None:
    assert "Hi" not in repr(parse())
    assert "Hi" not in repr(parse().upstream_call(5))
