"""Names inside a body's lists and objects that nobody here knows: left out like the unknown fields beside them, and told
to the client the same way, as `messages[].name`."""

from collections.abc import Mapping
from typing import Any

Shape = Mapping[str, "Shape | None"]
"""The names that an object may have; None: what is inside is looked at elsewhere, or may be anything."""

NOT_SAID: tuple[Any, ...] = (None, [], {}, False)
"""What clients send along without meaning anything by it."""


def _names(*names: str) -> Shape:
    return dict.fromkeys(names)


TEXT_PART = _names("type", "text", "refusal")
TOOL_CALL: Shape = {**_names("id", "type", "index"), "function": _names("name", "arguments")}
CHAT_SHAPE: Shape = {
    "messages": {
        **_names("role", "name", "tool_call_id", "reasoning_content", "refusal", "function_call"),
        "content": TEXT_PART,
        "tool_calls": TOOL_CALL,
    },
    "tools": {"type": None, "function": _names("name", "description", "parameters")},
    "stream_options": _names("include_usage"),
    "response_format": {"type": None, "json_schema": _names("name", "description", "schema", "strict")},
}
RESPONSE_SHAPE: Shape = {
    "input": {
        # our own output items come back with all of these
        **_names("type", "role", "id", "status", "phase", "summary", "encrypted_content"),
        "content": _names("type", "text", "refusal", "annotations", "logprobs"),
    },
}


def unknown_members(body: Mapping[str, Any], shape: Shape) -> list[str]:
    """Each name once. Of fields that `shape` does not have nothing is said."""
    found: dict[str, None] = {}
    for field, inside in shape.items():
        if inside is not None and field in body:
            _find(field, body[field], inside, found)
    return list(found)


def _find(path: str, value: Any, shape: Shape, found: dict[str, None]) -> None:
    """Strings and numbers, most of what there is, have nothing inside."""
    if isinstance(value, list):
        for each in value:
            _find(f"{path}[]", each, shape, found)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in shape:
                if inner not in NOT_SAID:
                    found[f"{path}.{name}"] = None
            elif isinstance(inner, dict | list) and (inside := shape[name]) is not None:
                _find(f"{path}.{name}", inner, inside, found)
