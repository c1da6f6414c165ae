"""`text.format` of a response request: as a chat's `response_format`, and as the reply shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.gateway.domain.checks import Check, boolean, object_at, one_of, text
from services.gateway.domain.response_fields import members_of
from services.gateway.domain.schemas import SchemaCopy
from services.gateway.domain.tools import named

FIELD = "text.format"
TYPE = f"{FIELD}.type"


@dataclass(frozen=True, slots=True)
class TextFormat:
    """`left_out` names what of a schema does not reach the model."""

    shown: dict[str, Any]
    chat: dict[str, Any] | None = None
    left_out: frozenset[str] = field(default=frozenset())


TEXT = TextFormat({"type": "text"})
MEMBERS_OF_SCHEMA: dict[str, Check] = {
    "type": text,
    "name": named,
    "schema": object_at,
    "strict": boolean,
    "description": text,
}


def text_format(given: Mapping[str, Any]) -> TextFormat:
    """Raises InvalidRequest with `param` below `text`."""
    wanted = members_of(given, "text", {"format": object_at}).get("format")
    if not wanted:
        return TEXT
    kind = one_of("text", "json_object", "json_schema")(TYPE, wanted.get("type"))
    if kind == "json_schema":
        return _schema(wanted)
    members_of({FIELD: wanted}, FIELD, {"type": text})
    return TextFormat({"type": kind}, None if kind == "text" else {"type": kind})


def _schema(wanted: dict[str, Any]) -> TextFormat:
    shown = members_of({FIELD: wanted}, FIELD, MEMBERS_OF_SCHEMA)
    named(f"{FIELD}.name", shown.get("name"))
    copy = SchemaCopy(f"{FIELD}.schema", shown.get("schema"))
    chat = {"type": "json_schema", "json_schema": {"name": "answer", "schema": copy.schema}}
    unread = {f"{FIELD}.description"} if "description" in shown else set()
    return TextFormat(shown | {"schema": copy.schema}, chat, frozenset(copy.left_out | unread))
