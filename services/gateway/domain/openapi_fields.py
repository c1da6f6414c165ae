"""JSON Schemas of single fields, from the very checks that the parser makes."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.gateway.domain import checks
from services.gateway.domain.chat_fields import REFUSED, REFUSED_PREFIXES
from services.gateway.domain.checks import Check, Integer, Number, OneOf

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
ANYTHING: Schema = {}
NULL: Schema = {"type": "null"}
REFUSED_BY_NAME: Schema = {"type": "null", "description": "Not supported: 400 unless it is null or left out."}
STOP: Schema = {"type": "string", "minLength": 1, "maxLength": checks.STOP_LENGTH_MAX}
PLAIN: dict[Check, Schema] = {
    checks.boolean: BOOLEAN,
    checks.text: STRING,
    checks.object_at: OBJECT,
    checks.seed: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    checks.stop: {"anyOf": [STOP, {"type": "array", "items": STOP, "maxItems": checks.STOPS_MAX}]},
    checks.logit_bias: {
        "type": "object",
        "propertyNames": {"pattern": f"^[0-9]{{1,{checks.TOKEN_DIGITS_MAX}}}$"},
        "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
        "maxProperties": checks.LOGIT_BIASES_MAX,
    },
}
"""Of the checks that are plain functions. A check that is not here fails a test."""


def schema_of(check: Check) -> Schema:
    """Raises KeyError for a check that nobody has described."""
    match check:
        case Number(low, high):
            return {"type": "number", "minimum": low, "maximum": high}
        case Integer(low, high):
            return {"type": "integer", "minimum": low, "maximum": high}
        case OneOf(words):
            return {"type": "string", "enum": list(words)}
        case _:
            return PLAIN[check]


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, NULL]} if schema else schema


def or_absent(schema: Schema) -> Schema:
    """Where empty lists and objects count as absent, as null does everywhere."""
    return {"anyOf": [schema, {"$ref": "#/components/schemas/Absent"}]}


def fields_of(table: Mapping[str, Check]) -> dict[str, Schema]:
    return {name: or_absent(schema_of(check)) for name, check in table.items()}


def refused(names: Iterable[str]) -> dict[str, Schema]:
    return dict.fromkeys(sorted(names), REFUSED_BY_NAME)


def body(required: Iterable[str], properties: Mapping[str, Schema]) -> Schema:
    """What is not named here is left out and told in `x-ignored-fields`."""
    prefixes = "|".join(sorted(REFUSED_PREFIXES))
    named = dict.fromkeys(sorted(REFUSED - properties.keys()), REFUSED_BY_NAME)
    return {
        "type": "object",
        "required": list(required),
        "properties": {**properties, **named},
        "patternProperties": {f"^({prefixes})": NULL},
    }


def object_of(properties: Mapping[str, Schema], required: Iterable[str] | None = None) -> Schema:
    wanted = list(properties if required is None else required)
    return {"type": "object", "properties": dict(properties), "required": wanted}


def list_of(items: Schema, **bounds: int) -> Schema:
    return {"type": "array", "items": items, **bounds}


def constant(value: Any) -> Schema:
    return {"const": value}
