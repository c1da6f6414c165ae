"""The conversation, rebuilt from what a text model reads: roles, text, tool calls and their results."""

from typing import Any

from services.gateway.domain.checks import list_at, not_supported, object_at, text
from services.gateway.domain.errors import InvalidRequest, MissingParameter

MESSAGES_MAX = 2048
PARTS_MAX = 256
TOOL_CALLS_MAX = 128
ROLES = {
    "system": "system",
    "developer": "system",  # OpenAI's newer word; most templates know only the older
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
TEXT_FIELDS = ("name", "tool_call_id", "reasoning_content", "refusal")
PART_TEXT = {"text": "text", "refusal": "refusal"}
PLAIN = ("role", "content")
REFUSED = ("function_call",)
"""Part of what was said, and no template here knows it: left out, the conversation would be another."""

Message = dict[str, Any]


def build_messages(value: Any) -> list[Message]:
    """Raises InvalidRequest with `param` naming the message at fault."""
    if value is None:
        raise MissingParameter("'messages' is missing.", param="messages")
    messages = list_at("messages", value, length_max=MESSAGES_MAX)
    if not messages:
        raise InvalidRequest("'messages' must not be empty.", param="messages")
    return [_plain(message) or _message(f"messages[{at}]", message) for at, message in enumerate(messages)]


def _plain(value: Any) -> Message | None:
    """A role and a text, and nothing else, as most are: nothing to look at twice."""
    if type(value) is not dict or len(value) != len(PLAIN):
        return None
    role, content = value.get("role"), value.get("content")
    return (
        {"role": ROLES[role], "content": content}
        if type(role) is type(content) is str and role in ROLES
        else None
    )


def _message(field: str, value: Any) -> Message:
    given = object_at(field, value)
    for name in REFUSED:
        if given.get(name) is not None:
            raise not_supported(f"{field}.{name}")
    built: Message = {"role": _role(f"{field}.role", given.get("role")), "content": None}
    if given.get("content") is not None:
        built["content"] = _content(f"{field}.content", given["content"])
    for name in TEXT_FIELDS:
        if given.get(name) is not None:
            built[name] = text(f"{field}.{name}", given[name])
    if given.get("tool_calls") not in (None, []):
        built["tool_calls"] = _tool_calls(f"{field}.tool_calls", given["tool_calls"])
    if built["content"] is None and built["role"] != "assistant":
        raise MissingParameter(f"'{field}.content' is missing.", param=f"{field}.content")
    if built["content"] is None and "tool_calls" not in built:
        built["content"] = ""
    return built


def _role(field: str, value: Any) -> str:
    if value is None:
        raise MissingParameter(f"'{field}' is missing.", param=field)
    if not isinstance(value, str) or value not in ROLES:
        raise InvalidRequest(f"'{field}' must be one of: {', '.join(ROLES)}.", param=field)
    return ROLES[value]


def _content(field: str, value: Any) -> str | list[dict[str, str]]:
    if isinstance(value, str):
        return value
    parts = list_at(field, value, length_max=PARTS_MAX)
    return [_part(f"{field}[{at}]", part) for at, part in enumerate(parts)]


def _part(field: str, value: Any) -> dict[str, str]:
    part = object_at(field, value)
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in PART_TEXT:
        message = f"'{field}' is not text, and this model reads text only: send parts of type 'text'."
        raise InvalidRequest(message, param=field)
    return {"type": "text", "text": text(f"{field}.{kind}", part.get(PART_TEXT[kind]))}


def _tool_calls(field: str, value: Any) -> list[dict[str, Any]]:
    calls = list_at(field, value, length_max=TOOL_CALLS_MAX)
    return [_tool_call(f"{field}[{at}]", call) for at, call in enumerate(calls)]


def _tool_call(field: str, value: Any) -> dict[str, Any]:
    call = object_at(field, value)
    function = object_at(f"{field}.function", call.get("function"))
    built: dict[str, Any] = {
        "type": "function",
        "function": {
            "name": text(f"{field}.function.name", function.get("name")),
            "arguments": text(f"{field}.function.arguments", function.get("arguments", "{}")),
        },
    }
    if call.get("id") is not None:
        built["id"] = text(f"{field}.id", call["id"])
    return built
