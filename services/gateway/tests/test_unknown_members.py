"""What nobody knows inside a body's lists and objects is left out, and told by name, once."""

import json
from typing import Any

from services.gateway.domain.chat_request import parse_chat_request
from services.gateway.domain.generation import CompletionLimits
from services.gateway.domain.response_request import parse_response_request

LIMITS = CompletionLimits(default=100, maximum=1000)


def ignored_in_chat(**body: Any) -> tuple[str, ...]:
    return parse_chat_request(json.dumps(body).encode(), LIMITS).ignored_fields


def ignored_in_response(**body: Any) -> tuple[str, ...]:
    return parse_response_request(json.dumps(body).encode(), LIMITS).ignored_fields


def test_names_in_messages_parts_tools_and_options_are_told_once_each() -> None:
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"any": "schema"}}}
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    assert ignored_in_chat(
        messages=[
            {"role": "user", "content": [part, part]},
            {"role": "user", "content": "b", "priority": 1},
            {"role": "user", "content": "c", "priority": 2},
        ],
        tools=[tool],
        stream_options={"include_usage": True, "include_obfuscation": True},
    ) == (
        "messages[].content[].cache_control",
        "messages[].priority",
        "tools[].function.strict",
        "stream_options.include_obfuscation",
    )


def test_what_clients_send_along_without_meaning_it_is_not_told() -> None:
    answer: dict[str, Any] = {
        "role": "assistant",
        "content": "b",
        "audio": None,
        "annotations": [],
        "function_call": None,
    }
    question = {"role": "user", "content": "c"}
    assert ignored_in_chat(messages=[answer, question], stream_options={"include_obfuscation": False}) == ()


def test_names_in_the_input_are_told_and_our_own_items_come_back_unremarked() -> None:
    said = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
    item = {"type": "message", "id": "m", "status": "completed", "role": "assistant", "content": [said]}
    assert ignored_in_response(input=[item, {"role": "user", "content": "Go on"}]) == ()
    odd = {"role": "user", "content": [said | {"emphasis": 1}], "priority": 1}
    assert ignored_in_response(input=[odd]) == ("input[].content[].emphasis", "input[].priority")
