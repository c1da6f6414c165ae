"""What each generating endpoint accepts, from the tables and bounds that its parser uses."""

from services.gateway.domain import (
    chat_fields,
    completion_request,
    embedding_request,
    messages,
    response_fields,
    response_input,
    schemas,
    tools,
)
from services.gateway.domain.body_fields import TOKEN_LIMIT_MAX
from services.gateway.domain.openapi_fields import (
    ANYTHING,
    BOOLEAN,
    OBJECT,
    STRING,
    Schema,
    body,
    constant,
    fields_of,
    list_of,
    object_of,
    or_null,
    refused,
    schema_of,
)

TOKEN_LIMIT: Schema = or_null({"type": "integer", "minimum": 1, "maximum": TOKEN_LIMIT_MAX})
ONE: Schema = or_null({"type": "integer", "const": 1})
STREAMING: dict[str, Schema] = {
    "stream": or_null(BOOLEAN),
    "stream_options": or_null(object_of({"include_usage": or_null(BOOLEAN)}, ())),
}
WITHOUT_EFFECT: dict[str, Schema] = dict.fromkeys(sorted(chat_fields.WITHOUT_EFFECT), ANYTHING)
SCHEMA: Schema = OBJECT | {
    "description": f"A JSON Schema: at most {schemas.SCHEMA_DEPTH_MAX} levels and {schemas.SCHEMA_NODES_MAX} nodes, "
    "`$ref` only within it; `pattern` is left out and named in `x-ignored-fields`.",
    "properties": {"$ref": {"type": "string", "pattern": "^#"}},
}
NAME: Schema = {"type": "string", "pattern": f"^{tools.FUNCTION_NAME.pattern}$"}


def _part(kind: str, field: str) -> Schema:
    return object_of({"type": constant(kind), field: STRING})


def _text_or(parts: list[Schema], parts_max: int) -> Schema:
    return {"anyOf": [STRING, list_of({"anyOf": parts}, maxItems=parts_max)]}


CALL = object_of(
    {
        "id": or_null(STRING),
        "type": ANYTHING,
        "function": object_of({"name": STRING, "arguments": STRING}, ("name",)),
    },
    ("function",),
)
CONTENT = _text_or([_part(kind, field) for kind, field in messages.PART_TEXT.items()], messages.PARTS_MAX)
_MORE = {name: or_null(STRING) for name in messages.TEXT_FIELDS} | {
    "tool_calls": or_null(list_of(CALL, maxItems=messages.TOOL_CALLS_MAX)),
    **{name: {"type": "null"} for name in messages.REFUSED},
}
_SPEAKERS = sorted(messages.ROLES.keys() - {"assistant"})
MESSAGE: Schema = {
    "anyOf": [
        object_of({"role": {"enum": _SPEAKERS}, "content": CONTENT, **_MORE}, ("role", "content")),
        object_of({"role": constant("assistant"), "content": or_null(CONTENT), **_MORE}, ("role",)),
    ]
}
FUNCTION = object_of(
    {
        "name": NAME,
        "description": or_null(STRING),
        "parameters": or_null({"$ref": "#/components/schemas/JsonSchema"}),
    },
    ("name",),
)
TOOL = object_of({"type": constant("function"), "function": FUNCTION})
TOOL_CHOICE: Schema = {
    "anyOf": [
        {"type": "string", "enum": ["none", "auto", "required"]},
        object_of({"type": constant("function"), "function": object_of({"name": NAME})}, ("function",)),
    ],
    "description": "The name must be that of one of `tools`; `required` needs one.",
}
RESPONSE_FORMAT: Schema = {
    "anyOf": [
        object_of({"type": {"enum": ["text", "json_object"]}}),
        object_of(
            {
                "type": constant("json_schema"),
                "json_schema": object_of({"schema": {"$ref": "#/components/schemas/JsonSchema"}}),
            }
        ),
    ]
}

CHAT = body(
    ("messages",),
    {
        "messages": list_of(MESSAGE, minItems=1, maxItems=messages.MESSAGES_MAX),
        **STREAMING,
        "max_tokens": TOKEN_LIMIT,
        "max_completion_tokens": TOKEN_LIMIT,
        **fields_of(chat_fields.PASSED),
        "tools": or_null(list_of(TOOL, maxItems=tools.TOOLS_MAX)),
        "tool_choice": or_null(TOOL_CHOICE),
        "parallel_tool_calls": or_null(BOOLEAN),
        "response_format": or_null(RESPONSE_FORMAT),
        "modalities": or_null(constant(["text"])),
        "n": ONE,
        "n_cmpl": ONE,
        **WITHOUT_EFFECT,
    },
)
COMPLETION = body(
    ("prompt",),
    {
        "prompt": STRING,
        **STREAMING,
        "max_tokens": TOKEN_LIMIT,
        **fields_of(completion_request.SAMPLING),
        **dict.fromkeys(completion_request.ONLY_ONE, ONE),
        "echo": or_null(constant(False)),
        **refused(completion_request.REFUSED),
        **WITHOUT_EFFECT,
    },
)
_TEXT: Schema = {"type": "string", "minLength": 1}
EMBEDDING = body(
    ("input",),
    {
        "input": {"anyOf": [_TEXT, list_of(_TEXT, minItems=1, maxItems=embedding_request.INPUTS_MAX)]},
        "encoding_format": or_null({"type": "string", "enum": ["float", "base64"]}),
        **refused(embedding_request.REFUSED),
        **WITHOUT_EFFECT,
    },
)

ONLY_THESE: Schema = {"additionalProperties": {"type": "null"}}
LABEL: Schema = or_null({"type": "string", "maxLength": response_fields.LABEL_LENGTH_MAX})
ACCEPTED: dict[str, Schema] = {
    "background": or_null(constant(False)),
    "model": or_null(STRING),
    "prompt_cache_key": LABEL,
    "safety_identifier": LABEL,
    "service_tier": or_null({"enum": ["auto", "default"]}),
    "store": or_null(BOOLEAN),
    "stream_options": or_null(
        object_of({name: or_null(BOOLEAN) for name in ("include_usage", "include_obfuscation")}, ())
        | ONLY_THESE
    ),
    "top_logprobs": or_null({"type": "integer", "const": 0}),
    "truncation": or_null(constant("disabled")),
    "user": LABEL,
}
METADATA: Schema = {
    "type": "object",
    "maxProperties": response_fields.METADATA_MAX,
    "propertyNames": {"maxLength": response_fields.METADATA_KEY_LENGTH_MAX},
    "additionalProperties": {"type": "string", "maxLength": response_fields.METADATA_VALUE_LENGTH_MAX},
}
NOT_HERE: Schema = {
    "enum": [None, [], {}],
    "description": "Not supported: 400 unless it is null, empty or left out.",
}
_TYPE = {"type": {"enum": ["message", None]}}
_PARTS = [_part(kind, field) for kind, field in response_input.PART_TEXT.items()]
INPUT_MESSAGE = object_of(
    {**_TYPE, "role": {"enum": list(response_input.ROLES)}, "content": _text_or(_PARTS, messages.PARTS_MAX)},
    ("role", "content"),
)
INPUT_REASONING = object_of(
    {
        "type": constant("reasoning"),
        "content": or_null(list_of(_part("reasoning_text", "text"), maxItems=messages.PARTS_MAX)),
        "summary": {"enum": [None, []]},
        response_input.UNREADABLE: {"type": "null"},
    },
    ("type",),
)
TEXT_FORMAT: Schema = {
    "anyOf": [
        object_of({"type": {"enum": ["text", "json_object"]}}) | {"additionalProperties": {"type": "null"}},
        object_of(
            {
                "type": constant("json_schema"),
                "name": NAME,
                "schema": {"$ref": "#/components/schemas/JsonSchema"},
                "strict": or_null(BOOLEAN),
                "description": or_null(STRING),
            },
            ("type", "name", "schema"),
        )
        | {"additionalProperties": {"type": "null"}},
    ]
}
RESPONSE = body(
    ("input",),
    {
        "input": {
            "anyOf": [
                STRING,
                list_of(
                    {"anyOf": [INPUT_MESSAGE, INPUT_REASONING]}, minItems=1, maxItems=response_input.ITEMS_MAX
                ),
            ]
        },
        "instructions": or_null(STRING),
        "max_output_tokens": TOKEN_LIMIT,
        "metadata": or_null(METADATA),
        "reasoning": or_null(
            object_of({"effort": or_null(schema_of(chat_fields.PASSED["reasoning_effort"]))}, ()) | ONLY_THESE
        ),
        "stream": or_null(BOOLEAN),
        "text": or_null(
            object_of({"format": or_null({"anyOf": [TEXT_FORMAT, constant({})]})}, ()) | ONLY_THESE
        ),
        **{name: fields_of(chat_fields.PASSED)[name] for name in ("temperature", "top_p")},
        **ACCEPTED,
        **dict.fromkeys(sorted(response_fields.REFUSED), NOT_HERE),
    },
)
