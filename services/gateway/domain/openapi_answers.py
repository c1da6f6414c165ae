"""What /v1 answers: objects, errors and headers."""

from typing import Any

from services.gateway.domain.openapi_fields import (
    ANYTHING,
    BOOLEAN,
    OBJECT,
    STRING,
    Schema,
    constant,
    list_of,
    object_of,
    or_null,
)
from services.gateway.domain.usage_rows import COLUMNS, COUNTS
from shared.contracts.internal.metering import Receipt

COUNT: Schema = {"type": "integer", "minimum": 0}
INSTANT: Schema = {"type": "string", "format": "date-time"}
DURATION: Schema = {"type": "string", "pattern": "^([0-9]+m)?[0-9]+(ms|s)$"}

REQUEST_ID = {
    "x-request-id": {
        "required": True,
        "description": "Names the request, also in /v1/usage.",
        "schema": STRING,
    }
}
RATE: dict[str, Any] = {
    "x-ratelimit-limit-requests": {"required": True, "schema": COUNT},
    "x-ratelimit-remaining-requests": {"required": True, "schema": COUNT},
    "x-ratelimit-reset-requests": {"required": True, "schema": DURATION},
}
"""Of the key, or of the address where no key is known. Absent only where Redis does not answer (503)."""
RETRY_AFTER = {"retry-after": {"required": True, "description": "Whole seconds.", "schema": COUNT}}
IGNORED = {"x-ignored-fields": {"description": "What was left out, by name.", "schema": STRING}}
GRANTED = {
    "x-tokens-granted": {"description": "Where the balance pays for less than asked.", "schema": COUNT}
}
ALLOW = {"allow": {"required": True, "schema": STRING}}

ERROR = object_of(
    {
        "error": object_of(
            {"message": STRING, "type": STRING, "param": or_null(STRING), "code": or_null(STRING)}
        )
    }
)
USAGE = object_of({"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT})
_FINISH: Schema = {"enum": ["stop", "length", "tool_calls", "content_filter", "function_call", None]}
_MESSAGE = object_of(
    {
        "role": constant("assistant"),
        "content": or_null(STRING),
        "refusal": or_null(STRING),
        "reasoning_content": or_null(STRING),
        "tool_calls": or_null(list_of(OBJECT)),
    },
    ("role", "refusal"),
)


def _answer(kind: str, choice: Schema) -> Schema:
    properties: dict[str, Schema] = {
        "id": STRING,
        "object": constant(kind),
        "created": COUNT,
        "model": STRING,
        "choices": list_of(choice, minItems=1, maxItems=1),
        "usage": USAGE,
    }
    return object_of(properties, properties.keys() - {"usage"})


CHAT_ANSWER = _answer(
    "chat.completion",
    object_of(
        {"index": COUNT, "message": _MESSAGE, "finish_reason": _FINISH, "logprobs": ANYTHING},
        ("index", "message", "finish_reason", "logprobs"),
    ),
)
COMPLETION_ANSWER = _answer(
    "text_completion", object_of({"index": COUNT, "text": STRING, "finish_reason": _FINISH})
)
EMBEDDING_ANSWER = object_of(
    {
        "object": constant("list"),
        "model": STRING,
        "data": list_of(
            object_of(
                {
                    "object": constant("embedding"),
                    "index": COUNT,
                    "embedding": {"anyOf": [list_of({"type": "number"}), STRING]},
                }
            )
        ),
        "usage": or_null(object_of({"prompt_tokens": COUNT, "total_tokens": COUNT})),
    }
)
RESPONSE_ANSWER = object_of(
    {
        "id": {"type": "string", "pattern": "^resp_[0-9a-f]{32}$"},
        "object": constant("response"),
        "created_at": COUNT,
        "status": {"enum": ["completed", "incomplete", "failed", "in_progress"]},
        "model": STRING,
        "output": list_of(
            object_of({"id": STRING, "type": {"enum": ["message", "reasoning"]}, "status": STRING})
        ),
        "error": or_null(OBJECT),
        "incomplete_details": or_null(OBJECT),
        "usage": or_null(object_of({"input_tokens": COUNT, "output_tokens": COUNT, "total_tokens": COUNT})),
        "store": constant(False),
        "metadata": OBJECT,
    }
)
MODEL = object_of({"id": STRING, "object": constant("model"), "created": COUNT, "owned_by": STRING})
MODELS = object_of({"object": constant("list"), "data": list_of(MODEL)})
BALANCE = object_of(
    dict.fromkeys(("available", "paid", "trial", "held", "debt"), COUNT)
    | {"trial_expires_at": or_null(INSTANT)}
)


def _row(group: str) -> Schema:
    return object_of({group: STRING} | dict.fromkeys(COUNTS, COUNT))


RECEIPT = Receipt.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
RECEIPT_PARTS: dict[str, Schema] = RECEIPT.pop("$defs", {})
USAGE_PAGE = object_of(
    {
        "object": constant("list"),
        "group_by": {"enum": list(COLUMNS)},
        "since": INSTANT,
        "until": INSTANT,
        "data": list_of({"anyOf": [_row("day"), _row("model"), {"$ref": "#/components/schemas/Receipt"}]}),
        "has_more": BOOLEAN,
        "next_cursor": or_null(STRING),
    }
)
USAGE_RECEIPT = object_of(
    {
        "object": constant("usage.receipt"),
        "receipt": {"$ref": "#/components/schemas/Receipt"},
        "payload": STRING,
        "signature": STRING,
        "algorithm": constant("Ed25519"),
        "public_key_id": STRING,
        "public_key_path": STRING,
    },
    ("object", "receipt"),
)
