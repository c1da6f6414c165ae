"""The input of a response becomes the messages of a chat: strings, messages, and our own output items."""

from typing import Any

from services.gateway.domain.checks import list_at, not_supported, object_at, text
from services.gateway.domain.errors import InvalidRequest, MissingParameter, UnsupportedParameter
from services.gateway.domain.messages import MESSAGES_MAX, PARTS_MAX, Message

ITEMS_MAX = MESSAGES_MAX - 1
"""The instructions are a message, too."""
ROLES = ("user", "assistant", "system", "developer")
PART_TEXT = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
UNREADABLE = "encrypted_content"


def messages_of(instructions: str | None, value: Any) -> list[Message]:
    """Raises InvalidRequest with `param` naming the item at fault."""
    if value is None:
        raise MissingParameter("'input' is missing.", param="input")
    said = [_message("user", value)] if isinstance(value, str) else _items(value)
    return [_message("system", instructions), *said] if instructions else said


def _items(value: Any) -> list[Message]:
    items = list_at("input", value, length_max=ITEMS_MAX)
    if not items:
        raise InvalidRequest("'input' must not be empty.", param="input")
    messages: list[Message] = []
    for at, item in enumerate(items):
        _append(messages, _item(f"input[{at}]", object_at(f"input[{at}]", item)))
    return messages


def _append(messages: list[Message], message: Message) -> None:
    """Reasoning belongs to the message of the assistant that comes after it."""
    before = messages[-1] if messages else {}
    if message["role"] == "assistant" and _is_reasoning_alone(before) and not _is_reasoning_alone(message):
        messages[-1] = before | message
    else:
        messages.append(message)


def _is_reasoning_alone(message: Message) -> bool:
    return "reasoning_content" in message and message["content"] == ""


def _item(field: str, item: dict[str, Any]) -> Message:
    kind = "message" if item.get("type") is None else item["type"]
    if kind == "reasoning":
        return _reasoning(field, item)
    if kind != "message":
        message = f"'{field}.type' must be 'message' or 'reasoning': other items are not supported here."
        raise UnsupportedParameter(message, param=f"{field}.type")
    role, content = item.get("role"), item.get("content")
    if role not in ROLES:
        raise InvalidRequest(f"'{field}.role' must be one of: {', '.join(ROLES)}.", param=f"{field}.role")
    if content is None:
        raise MissingParameter(f"'{field}.content' is missing.", param=f"{field}.content")
    return _message(role, content if isinstance(content, str) else _parts(f"{field}.content", content))


def _message(role: str, content: str | list[dict[str, str]]) -> Message:
    return {"role": role, "content": content}


def _reasoning(field: str, item: dict[str, Any]) -> Message:
    """As our answers have it: in clear, with its text in `content`."""
    if item.get(UNREADABLE) is not None:
        message = f"'{field}.{UNREADABLE}' cannot be read here: leave the item out."
        raise UnsupportedParameter(message, param=f"{field}.{UNREADABLE}")
    if item.get("summary") not in (None, []):
        raise not_supported(f"{field}.summary")
    content = [] if item.get("content") is None else item["content"]
    parts = list_at(f"{field}.content", content, length_max=PARTS_MAX)
    texts = [_reasoning_text(f"{field}.content[{at}]", part) for at, part in enumerate(parts)]
    return _message("assistant", "") | {"reasoning_content": "".join(texts)}


def _reasoning_text(field: str, value: Any) -> str:
    part = object_at(field, value)
    if part.get("type") != "reasoning_text":
        raise InvalidRequest(f"'{field}.type' must be 'reasoning_text'.", param=f"{field}.type")
    return text(f"{field}.text", part.get("text"))


def _parts(field: str, value: Any) -> list[dict[str, str]]:
    parts = list_at(field, value, length_max=PARTS_MAX)
    return [_part(f"{field}[{at}]", part) for at, part in enumerate(parts)]


def _part(field: str, value: Any) -> dict[str, str]:
    part = object_at(field, value)
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in PART_TEXT:
        message = f"'{field}.type' is not text, and this model reads text only: send 'input_text'."
        raise UnsupportedParameter(message, param=f"{field}.type")
    name = PART_TEXT[kind]
    return {"type": "text", "text": text(f"{field}.{name}", part.get(name))}
