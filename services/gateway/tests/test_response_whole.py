"""A whole answer as a response: valid by the SDK's own type, its parts in place."""

import json
from typing import Any

import pytest
from openai.types.responses import Response

from services.gateway.domain.counts import Counts
from services.gateway.domain.errors import UpstreamFailed
from services.gateway.domain.generation import WholeAnswer
from services.gateway.tests.support.responses import events_in
from services.gateway.tests.test_response_stream import (
    ANSWER_ID,
    CREATED_AT,
    answer,
    asked,
    new_stream,
    said,
)

USAGE = {"prompt_tokens": 13, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}


def read(
    message: dict[str, Any], finish_reason: str = "stop", **fields: Any
) -> tuple[WholeAnswer, dict[str, Any]]:
    choice = {"message": message, "finish_reason": finish_reason}
    body = {"choices": [choice], "usage": USAGE, "model": "/models/m.gguf", "created": CREATED_AT + 3}
    whole = asked(stream=False, **fields).read_whole(json.dumps(body).encode(), ANSWER_ID)
    Response.model_validate_json(whole.body, strict=True)
    shown: dict[str, Any] = json.loads(whole.body)
    return whole, shown


def test_an_answer_is_counted_and_shown() -> None:
    whole, shown = read({"role": "assistant", "content": "Paris"})
    assert (whole.counts, whole.model) == (Counts(13, 2, 8, estimated=False), "m.gguf")
    assert shown["output"][0]["content"][0]["text"] == "Paris"
    assert (shown["status"], shown["completed_at"]) == ("completed", CREATED_AT + 3)
    assert "/models" not in whole.body.decode()


def test_it_is_what_a_stream_ends_with() -> None:
    _, shown = read({"content": "Paris", "reasoning_content": "Hm"}, temperature=0.5)
    pieces = said("Hm", field="reasoning_content") + said("Paris")
    streamed = events_in(new_stream(temperature=0.5).feed(answer(pieces)).decode())[-1]["response"]
    assert shown == streamed


@pytest.mark.parametrize(
    ("message", "finish_reason", "items"),
    [
        ({"content": ""}, "stop", [("message", "completed")]),
        ({"content": None, "reasoning_content": "Hm"}, "stop", [("reasoning", "completed"), ("message", "completed")]),
        ({"content": "", "reasoning_content": "Hm"}, "length", [("reasoning", "incomplete")]),
        ({"content": "P", "reasoning_content": "Hm"}, "length", [("reasoning", "completed"), ("message", "incomplete")]),
    ],
)  # fmt: skip
def test_what_came_last_was_cut(message: Any, finish_reason: str, items: list[tuple[str, str]]) -> None:
    _, shown = read(message, finish_reason)
    assert [(item["type"], item["status"]) for item in shown["output"]] == items
    assert (shown["incomplete_details"] is None) == (finish_reason == "stop")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error":{}}'])
def test_what_is_no_answer_is_an_upstream_error(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        asked(stream=False).read_whole(body, ANSWER_ID)
