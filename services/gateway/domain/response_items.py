"""The items of a response's output: reasoning and message, each with one part of text.

OpenAI's names and fields, as its SDKs check them (openai-python's types, openai-node's stream helper)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ItemKind:
    """`event` begins the names of its text events; the mappings are what belongs to each beside the text."""

    type: str
    id_prefix: str
    event: str
    part_type: str
    item_more: Mapping[str, Any]
    part_more: Mapping[str, Any]
    event_more: Mapping[str, Any]


REASONING = ItemKind("reasoning", "rs_", "response.reasoning_text", "reasoning_text", {"summary": []}, {}, {})
MESSAGE = ItemKind(
    "message",
    "msg_",
    "response.output_text",
    "output_text",
    {"role": "assistant"},
    {"annotations": [], "logprobs": []},
    {"logprobs": []},
)
KIND_OF_FIELD = {"reasoning_content": REASONING, "content": MESSAGE}
"""By the field of a chat message or delta."""


@dataclass(frozen=True, slots=True)
class Item:
    """One place in the output. `answer` is what all ids of one answer end in."""

    kind: ItemKind
    index: int
    answer: str

    @property
    def id(self) -> str:
        return f"{self.kind.id_prefix}{self.answer}{self.index:02d}"

    def part(self, text: str) -> Json:
        return {"type": self.kind.part_type, "text": text, **self.kind.part_more}

    def begun(self) -> Json:
        return self._json([], "in_progress")

    def ended(self, text: str, status: str) -> Json:
        return self._json([self.part(text)], status)

    def _json(self, content: list[Json], status: str) -> Json:
        kind = self.kind
        return {"id": self.id, "type": kind.type, "status": status, **kind.item_more, "content": content}
