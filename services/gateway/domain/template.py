"""What the loaded model's chat template writes around a conversation, measured: does the cheap bound hold for it?

The bound (prompt_bound.py) promises room for a template without knowing it. Tiny conversations, counted by the
model server, show whether this one stays within the promise.
"""

import json
from dataclasses import dataclass
from typing import Any

from services.gateway.domain.prompt_bound import MESSAGE_TOKENS, TEMPLATE_TOKENS, TOOLS_TEMPLATE_TOKENS

_USER = {"role": "user", "content": "a"}
_ASSISTANT = {"role": "assistant", "content": "a"}
_SYSTEM = {"role": "system", "content": "a"}
_TOOL = {"type": "function", "function": {"name": "a", "parameters": {"type": "object", "properties": {}}}}

ONE: dict[str, Any] = {"messages": [_USER]}
THREE: dict[str, Any] = {"messages": [_USER, _ASSISTANT, _USER]}
INSTRUCTED: dict[str, Any] = {"messages": [_SYSTEM, _USER]}
WITH_TOOL: dict[str, Any] = ONE | {"tools": [_TOOL]}


@dataclass(frozen=True, slots=True)
class TemplateCounts:
    """Tokens of the conversations above; None where the template takes no such conversation."""

    one: int
    three: int | None
    instructed: int | None
    with_tool: int | None


@dataclass(frozen=True, slots=True)
class TemplateTokens:
    """What it writes `around` a conversation, around each `message`, and about `tools`. What the tiny contents
    cost is in it: that errs to the safe side."""

    around: int
    message: int
    tools: int

    @property
    def is_within_bound(self) -> bool:
        return (
            self.around <= TEMPLATE_TOKENS
            and self.message <= MESSAGE_TOKENS
            and self.tools <= TOOLS_TEMPLATE_TOKENS
        )


def template_of(counts: TemplateCounts) -> TemplateTokens:
    of_two_more = _more(counts.three, counts.one)
    message = max((of_two_more + 1) // 2, _more(counts.instructed, counts.one))
    return TemplateTokens(counts.one, message, _more(counts.with_tool, counts.one))


def body_of(conversation: dict[str, Any]) -> bytes:
    return json.dumps(conversation).encode()


def _more(tokens: int | None, than: int) -> int:
    return max(tokens - than, 0) if tokens is not None else 0
