"""The events of a response: complete, in order, valid by the SDK's own types, however the bytes were split."""

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from services.gateway.domain import response_stream
from services.gateway.domain.counts import Counts
from services.gateway.domain.generation import AnswerId, CompletionLimits
from services.gateway.domain.response_request import ResponseRequest, parse_response_request
from services.gateway.domain.response_stream import ResponseStream
from services.gateway.tests.support.responses import events_in, types_in
from shared.ids import RequestId

ANSWER_ID = AnswerId(RequestId("0190163d-8694-739b-aea5-966c26f8ad91"), datetime(2026, 11, 1, tzinfo=UTC))
CREATED_AT = int(ANSWER_ID.created_at.timestamp())
ERROR = {"message": "broke", "type": "server_error", "param": None, "code": "upstream_error"}
BEGINNING = ["response.created", "response.in_progress"]
OF_MESSAGE = [
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
OF_REASONING = [name.replace("output_text", "reasoning_text") for name in OF_MESSAGE]
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
Piece = tuple[str, str]


def asked(**fields: Any) -> ResponseRequest:
    body = {"input": "Hi", "stream": True} | fields
    return parse_response_request(json.dumps(body).encode(), CompletionLimits(100, 1000))


def new_stream(**fields: Any) -> ResponseStream:
    stream = asked(**fields).answer_stream(ANSWER_ID)
    assert stream is not None
    return stream


def chunk(choices: list[Any], **more: Any) -> bytes:
    head = {"choices": choices, "created": CREATED_AT + 3, "model": "/models/m.gguf"}
    return b"data: " + json.dumps(head | more, ensure_ascii=False).encode() + b"\n\n"


def answer(pieces: list[Piece], *, finish: str = "stop") -> bytes:
    deltas = [{"role": "assistant", "content": None}, *({field: text} for field, text in pieces)]
    said = [
        chunk(
            [{"delta": delta, "finish_reason": None}],
            timings={"cache_n": 8, "prompt_n": 5, "predicted_n": at},
        )
        for at, delta in enumerate(deltas)
    ]
    details = {"cached_tokens": 8}
    usage = {"prompt_tokens": 13, "completion_tokens": len(pieces), "prompt_tokens_details": details}
    end = [chunk([{"delta": {}, "finish_reason": finish}]), chunk([], usage=usage), b"data: [DONE]\n\n"]
    return b"".join([*said, *end])


def strictly_valid(text: str) -> list[dict[str, Any]]:
    """Each event is of the SDK's type of its name and has nothing wrong; numbered from 0 without a gap."""
    events = events_in(text)
    for event in events:
        assert EVENT.validate_json(json.dumps(event), strict=True).type == event["type"]
        if "response" in event:
            Response.model_validate_json(json.dumps(event["response"]), strict=True)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def said(*texts: str, field: str = "content") -> list[Piece]:
    return [(field, text) for text in texts]


def test_an_answer_is_the_full_sequence_of_events() -> None:
    text = new_stream().feed(answer(said("Par", "is"))).decode()
    assert types_in(text) == [*BEGINNING, *OF_MESSAGE, "response.completed"]
    events = strictly_valid(text)
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert deltas == ["Par", "is"]
    ended = events[-1]["response"]
    assert (ended["status"], ended["model"]) == ("completed", "m.gguf")
    assert ended["output"][0]["content"][0]["text"] == "Paris"
    assert ended["completed_at"] == CREATED_AT + 3


def test_reasoning_is_an_item_of_its_own_before_the_message() -> None:
    pieces = said("Let me", " see.", field="reasoning_content") + said("Paris")
    text = new_stream().feed(answer(pieces)).decode()
    assert types_in(text) == [*BEGINNING, *OF_REASONING, *OF_MESSAGE, "response.completed"]
    output = strictly_valid(text)[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message"]
    assert output[0]["content"] == [{"type": "reasoning_text", "text": "Let me see."}]


@given(
    st.lists(st.tuples(st.sampled_from(["content", "reasoning_content"]), st.text(min_size=1)), max_size=6),
    st.lists(st.integers(0, 1 << 16), max_size=12),
)
def test_any_split_gives_the_same_events_and_counts(pieces: list[Piece], places: list[int]) -> None:
    data = answer(pieces)
    at_once, split = new_stream(), new_stream()
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    text = b"".join(split.feed(data[start:end]) for start, end in pairwise(edges))
    assert at_once.feed(data) == text
    assert at_once.counts() == split.counts() == Counts(13, len(pieces), 8, estimated=False)
    places_of_items = {event["output_index"] for event in strictly_valid(text.decode()) if "item" in event}
    assert places_of_items == set(range(len(places_of_items)))


def test_ids_are_the_same_throughout() -> None:
    events = events_in(new_stream().feed(answer(said("Paris"))).decode())
    [item] = events[-1]["response"]["output"]
    ids = {event["item"]["id"] for event in events if "item" in event}
    assert ids | {event["item_id"] for event in events if "item_id" in event} == {item["id"]}
    hex_of_request = ANSWER_ID.request_id.replace("-", "")
    of_response = {event["response"]["id"] for event in events if "response" in event}
    assert of_response == {f"resp_{hex_of_request}"}


def test_an_empty_answer_has_an_empty_message() -> None:
    text = new_stream().feed(answer([])).decode()
    [item] = strictly_valid(text)[-1]["response"]["output"]
    assert item["content"][0]["text"] == ""


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_a_cut_answer_is_incomplete_and_says_why(field: str) -> None:
    text = new_stream(max_output_tokens=1).feed(answer(said("P", field=field), finish="length")).decode()
    ended = strictly_valid(text)[-1]
    assert ended["type"] == "response.incomplete"
    response = ended["response"]
    assert (response["status"], response["incomplete_details"]) == (
        "incomplete",
        {"reason": "max_output_tokens"},
    )
    [item] = response["output"]
    assert item["status"] == "incomplete"
    assert response["max_output_tokens"] == 1


def test_the_reply_shows_the_effective_values() -> None:
    stream = new_stream(
        instructions="Be brief.", temperature=0.5, store=True, user="u", metadata={"a": "b"}, include=[], tools=[],
        safety_identifier="s", prompt_cache_key="k", service_tier="auto", truncation="disabled",
        reasoning={"effort": "low"},
    )  # fmt: skip
    response = events_in(stream.feed(answer(said("Paris"))).decode())[-1]["response"]
    expected = {
        "instructions": "Be brief.", "temperature": 0.5, "top_p": 1.0, "store": False, "user": "u", "metadata": {"a": "b"},
        "safety_identifier": "s", "prompt_cache_key": "k", "service_tier": "default", "truncation": "disabled",
        "reasoning": {"effort": "low", "summary": None}, "tools": [], "tool_choice": "none", "background": False,
        "parallel_tool_calls": False, "previous_response_id": None, "text": {"format": {"type": "text"}},
    }  # fmt: skip
    assert expected.items() <= response.items()


def test_every_key_is_there_that_the_open_responses_suite_wants() -> None:
    keys = {
        "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id",
        "instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p",
        "presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "usage",
        "max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata",
        "safety_identifier", "prompt_cache_key",
    }  # fmt: skip
    for event in events_in(new_stream().feed(answer(said("Paris"))).decode()):
        assert "response" not in event or keys <= event["response"].keys()


def test_usage_is_the_upstreams() -> None:
    usage = events_in(new_stream().feed(answer(said("Par", "is"))).decode())[-1]["response"]["usage"]
    assert usage == {
        "input_tokens": 13,
        "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 15,
    }


@pytest.mark.parametrize("pieces", [[], said("Par"), said("Hm", field="reasoning_content")])
def test_an_answer_that_breaks_says_so_twice_and_shows_what_there_is(pieces: list[Piece]) -> None:
    stream = new_stream()
    text = stream.feed(answer(pieces).partition(b'data: {"choices": [{"delta": {}')[0]).decode()
    text += stream.broken_by(ERROR).decode()
    *_, error, failed = strictly_valid(text)
    assert (error["type"], error["code"], error["error"]) == ("error", "upstream_error", ERROR)
    assert failed["type"] == "response.failed"
    response = failed["response"]
    assert (response["status"], response["error"]["message"]) == ("failed", "broke")
    assert [item["status"] for item in response["output"]] == ["incomplete"] * bool(pieces)
    assert "response.completed" not in text


def test_a_failure_before_the_first_byte_begins_the_response_first() -> None:
    text = new_stream().broken_by(ERROR).decode()
    assert [event["type"] for event in strictly_valid(text)] == [*BEGINNING, "error", "response.failed"]


@pytest.mark.parametrize("broken", [b'data: {"error":{"message":"no"}}\n\n', b"data: {oops\n\n"])
def test_an_error_in_the_upstreams_stream_is_a_failure(broken: bytes) -> None:
    stream = new_stream()
    text = stream.feed(chunk([{"delta": {"content": "P"}, "finish_reason": None}]) + broken)
    assert stream.failure is not None
    assert types_in(text.decode())[-1] == "response.output_text.delta"


def test_the_first_word_is_not_kept_back() -> None:
    stream = new_stream()
    text = stream.feed(chunk([{"delta": {"content": "P"}, "finish_reason": None}])).decode()
    assert types_in(text) == [*BEGINNING, *OF_MESSAGE[:3]]


def test_an_answer_without_end_is_broken_off_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(response_stream, "TEXT_LENGTH_MAX", 100)
    stream = new_stream()
    stream.feed(b"".join(chunk([{"delta": {"content": "x" * 10}}]) for _ in range(1000)))
    assert stream.failure is not None
    assert b"response.failed" in stream.broken_by({"message": "m", "type": "t", "param": None, "code": "c"})


def test_keep_alives_pass() -> None:
    assert new_stream().feed(b":\n\n") == b":\n\n"


def test_nothing_a_model_writes_changes_a_count() -> None:
    forged = '"usage":{"prompt_tokens":0,"completion_tokens":0}\n\ndata: [DONE]\n\n'
    stream = new_stream()
    stream.feed(answer(said(forged)))
    assert stream.counts() == Counts(13, 1, 8, estimated=False)


def test_a_cut_off_stream_counts_what_was_received() -> None:
    stream = new_stream()
    stream.feed(answer(said("a", "b")).partition(b'data: {"choices": [{"delta": {}')[0])
    assert stream.counts() == Counts(13, 2, 8, estimated=True)
    assert not stream.is_done
