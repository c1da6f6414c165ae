"""A request for a response is honoured field by field, or refused by the name of the field."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.errors import InvalidRequest, UnsupportedParameter
from services.gateway.domain.generation import CompletionLimits
from services.gateway.domain.response_fields import ACCEPTED, HONOURED, REFUSED
from services.gateway.domain.response_request import ResponseRequest, parse_response_request

LIMITS = CompletionLimits(default=100, maximum=1000)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a"}}}
FORMAT = {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True}


def parse(**fields: Any) -> ResponseRequest:
    return parse_response_request(json.dumps({"input": "Hi"} | fields).encode(), LIMITS)


def sent(**fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(parse(**fields).upstream_call(5).body)
    return body


def param_refused(**fields: Any) -> str | None:
    with pytest.raises(InvalidRequest) as refused:
        parse(**fields)
    return refused.value.param


def test_a_string_is_what_the_user_says_and_instructions_come_first() -> None:
    said = sent(instructions="Be brief.")["messages"]
    assert said == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


def test_what_is_honoured_reaches_the_model() -> None:
    body = sent(
        temperature=0.5, top_p=0.9, reasoning={"effort": "low"}, text={"format": {"type": "json_object"}}
    )
    assert (body["temperature"], body["top_p"], body["reasoning_effort"]) == (0.5, 0.9, "low")
    assert body["response_format"] == {"type": "json_object"}


def test_a_schema_reaches_the_model_without_what_could_crash_it() -> None:
    request = parse(text={"format": FORMAT})
    body = json.loads(request.upstream_call(5).body)
    assert body["response_format"]["json_schema"]["schema"]["properties"] == {"a": {"type": "string"}}
    assert request.ignored_fields == ("text.format.schema.pattern",)
    described = parse(text={"format": FORMAT | {"description": "An object", "schema": {}}})
    assert described.ignored_fields == ("text.format.description",)


def test_the_schema_that_is_said_back_is_the_one_that_counts() -> None:
    """What is left out of it may be nested deeper than an answer could be written."""
    deep: Any = []
    for _ in range(800):
        deep = [deep]
    shown = parse(text={"format": FORMAT | {"schema": {"pattern": deep, "type": "object"}}})._echoed
    assert shown["text"]["format"]["schema"] == {"type": "object"}


@pytest.mark.parametrize(
    "fields", [{"user": "\ud800"}, {"metadata": {"a": "\udc00"}}, {"metadata": {"\ud800": "a"}}]
)
def test_half_a_surrogate_pair_is_not_said_back(fields: Any) -> None:
    assert param_refused(**fields) is None


def test_options_of_a_stream_are_those_that_are_so_anyway() -> None:
    assert parse(stream_options={"include_usage": True, "include_obfuscation": False}).ignored_fields == ()
    assert param_refused(stream_options={"padding": 1}) == "stream_options.padding"


def test_a_summary_of_reasoning_is_not_lost_in_silence() -> None:
    summary = [{"type": "summary_text", "text": "It thought."}]
    assert param_refused(input=[{"type": "reasoning", "summary": summary}]) == "input[0].summary"


def test_messages_keep_their_roles_and_parts() -> None:
    items = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"role": "assistant", "content": "Hello!", "phase": "final_answer"},
        {"role": "user", "content": "Bye"},
    ]
    messages = sent(input=items)["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[1]["content"] == [{"type": "text", "text": "Hi"}]


def test_our_own_output_is_input_again_and_reasoning_goes_with_its_message() -> None:
    reasoning = {"id": "rs_1", "type": "reasoning", "summary": [], "status": "completed"}
    thought = reasoning | {"content": [{"type": "reasoning_text", "text": "Easy."}]}
    part = {"type": "output_text", "text": "Paris", "annotations": [], "logprobs": []}
    said = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    messages = sent(input=[thought, said, {"role": "user", "content": "Sure?"}])["messages"]
    assert messages[0] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Paris"}],
        "reasoning_content": "Easy.",
    }
    assert [message["role"] for message in messages] == ["assistant", "user"]
    assert sent(input=[thought])["messages"] == [
        {"role": "assistant", "content": "", "reasoning_content": "Easy."}
    ]


@pytest.mark.parametrize(
    ("items", "param"),
    [
        (None, "input"), ([], "input"), (5, "input"), (["Hi"], "input[0]"),
        ([{"content": "Hi"}], "input[0].role"), ([{"role": "tool", "content": "Hi"}], "input[0].role"),
        ([{"role": "user"}], "input[0].content"), ([{"role": "user", "content": 5}], "input[0].content"),
        ([{"role": "user", "content": [{"type": "input_image", "image_url": "http://a"}]}], "input[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "input_file"}]}], "input[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "input_text"}]}], "input[0].content[0].text"),
        ([{"type": "function_call_output", "call_id": "a", "output": "b"}], "input[0].type"),
        ([{"type": "item_reference", "id": "msg_1"}], "input[0].type"),
        ([{"type": "reasoning", "encrypted_content": "x"}], "input[0].encrypted_content"),
        ([{"type": "reasoning", "content": [{"type": "text"}]}], "input[0].content[0].type"),
    ],
)  # fmt: skip
def test_an_item_at_fault_is_named(items: Any, param: str) -> None:
    assert param_refused(input=items) == param


@pytest.mark.parametrize("field", sorted(REFUSED))
def test_what_is_not_honoured_is_refused_by_name_unless_it_is_empty(field: str) -> None:
    for value in (True, "x", ["x"], {"type": "x"}):
        with pytest.raises(UnsupportedParameter) as refused:
            parse(**{field: value})
        assert refused.value.param == field
    nothing: tuple[object, ...] = (None, [], {})
    for empty in nothing:
        assert parse(**{field: empty}).ignored_fields == ()


@pytest.mark.parametrize("field", ["n_predict", "grammar", "id_slot", "n_probs", "cache_prompt"])
def test_what_is_dangerous_in_a_chat_is_so_here(field: str) -> None:
    assert param_refused(**{field: 1}) == field


def test_unknown_fields_are_left_out_and_named() -> None:
    assert parse(future=1, max_tokens=5).ignored_fields == ("future", "max_tokens")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"background": True}, "background"), ({"background": 0}, "background"),
        ({"truncation": "auto"}, "truncation"), ({"service_tier": "flex"}, "service_tier"),
        ({"top_logprobs": 5}, "top_logprobs"), ({"top_logprobs": False}, "top_logprobs"), ({"store": "yes"}, "store"),
        ({"user": 5}, "user"), ({"instructions": ["x"]}, "instructions"),
        ({"max_output_tokens": 0}, "max_output_tokens"), ({"temperature": 3}, "temperature"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"), ({"reasoning": "low"}, "reasoning"),
        ({"reasoning": {"summary": "auto"}}, "reasoning.summary"), ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": FORMAT | {"name": "a b"}}}, "text.format.name"),
        ({"text": {"format": FORMAT | {"grammar": "x"}}}, "text.format.grammar"),
        ({"text": {"format": {"type": "text", "schema": {}}}}, "text.format.schema"),
        ({"metadata": {"a": 1}}, "metadata"), ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"metadata": "x"}, "metadata"), ({"stream": 1}, "stream"), ({"stream_options": 1}, "stream_options"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_honoured_are_refused_with_their_field(
    fields: dict[str, Any], param: str
) -> None:
    assert param_refused(**fields) == param


@pytest.mark.parametrize("field", sorted(HONOURED - {"input"} | ACCEPTED.keys() | REFUSED))
def test_null_is_absent(field: str) -> None:
    assert sent(**{field: None}) == sent()


@pytest.mark.parametrize(
    ("given", "tokens"), [({}, 100), ({"max_output_tokens": 7}, 7), ({"max_output_tokens": 10**6}, 1000)]
)
def test_the_limit_counts_within_ours(given: dict[str, Any], tokens: int) -> None:
    assert parse(**given).tokens_completion == tokens


names = st.sampled_from(sorted(HONOURED | ACCEPTED.keys() | REFUSED)) | st.text()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(names, values, max_size=4))
def test_no_body_is_worse_than_a_refusal(fields: dict[str, Any]) -> None:
    with suppress(InvalidRequest):
        assert sent(**fields)["max_tokens"] == 5


def test_a_request_hides_what_it_says() -> None:
    assert "Hi" not in repr(parse(instructions="Hi", user="Hi"))
