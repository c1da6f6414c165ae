"""Tools and response formats, rebuilt. What a template or a grammar makes of them is bounded here."""

import re
from dataclasses import dataclass, field
from typing import Any

from services.gateway.domain.checks import boolean, list_at, object_at, one_of, text
from services.gateway.domain.errors import InvalidRequest, UnsupportedParameter
from services.gateway.domain.schemas import SchemaCopy

TOOLS_MAX = 128
FUNCTION_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(slots=True)
class Structure:
    """What goes upstream, and the names of what was left out."""

    body: dict[str, Any] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)


def build_structure(given: dict[str, Any]) -> Structure:
    """`tools`, `tool_choice`, `parallel_tool_calls` and `response_format` of a request; null and [] are absent."""
    structure = Structure()
    if given.get("tools") not in (None, []):
        tools = list_at("tools", given["tools"], length_max=TOOLS_MAX)
        structure.body["tools"] = [_tool(f"tools[{at}]", tool, structure) for at, tool in enumerate(tools)]
        if given.get("parallel_tool_calls") is not None:
            structure.body["parallel_tool_calls"] = boolean(
                "parallel_tool_calls", given["parallel_tool_calls"]
            )
    if given.get("tool_choice") is not None:
        _choose_tool(given["tool_choice"], structure)
    if given.get("response_format") is not None:
        _shape_answer(given["response_format"], structure)
    return structure


def _tool(at: str, value: Any, structure: Structure) -> dict[str, Any]:
    tool = object_at(at, value)
    if tool.get("type") != "function":
        raise UnsupportedParameter(f"'{at}.type' must be 'function'.", param=f"{at}.type")
    given = object_at(f"{at}.function", tool.get("function"))
    function: dict[str, Any] = {"name": named(f"{at}.function.name", given.get("name"))}
    if given.get("description") is not None:
        function["description"] = text(f"{at}.function.description", given["description"])
    if given.get("parameters") is not None:
        function["parameters"] = _schema(f"{at}.function.parameters", given["parameters"], structure)
    return {"type": "function", "function": function}


def _choose_tool(value: Any, structure: Structure) -> None:
    """llama-server knows only words: one named tool is sent as the only one, and required."""
    if not isinstance(value, dict):
        choice = one_of("none", "auto", "required")("tool_choice", value)
        if "tools" in structure.body:
            structure.body["tool_choice"] = choice
        elif choice == "required":
            raise InvalidRequest(
                "'tool_choice' requires a tool, and there are no 'tools'.", param="tool_choice"
            )
        return
    name = object_at("tool_choice.function", value.get("function")).get("name")
    chosen = [tool for tool in structure.body.get("tools", []) if tool["function"]["name"] == name]
    if not chosen:
        raise InvalidRequest("'tool_choice' names a tool that is not in 'tools'.", param="tool_choice")
    structure.body.update(tools=chosen, tool_choice="required")


def _shape_answer(value: Any, structure: Structure) -> None:
    given = object_at("response_format", value)
    kind = one_of("text", "json_object", "json_schema")("response_format.type", given.get("type"))
    if kind == "json_object":
        structure.body["response_format"] = {"type": kind}
    if kind == "json_schema":
        named = object_at("response_format.json_schema", given.get("json_schema"))
        schema = _schema("response_format.json_schema.schema", named.get("schema"), structure)
        structure.body["response_format"] = {
            "type": kind,
            "json_schema": {"name": "answer", "schema": schema},
        }


def _schema(at: str, value: Any, structure: Structure) -> Any:
    copy = SchemaCopy(at, value)
    structure.left_out |= copy.left_out
    return copy.schema


def named(at: str, value: Any) -> str:
    if not isinstance(value, str) or not FUNCTION_NAME.fullmatch(value):
        raise InvalidRequest(f"'{at}' must be 1 to 64 letters, digits, '_', '.' or '-'.", param=at)
    return value
