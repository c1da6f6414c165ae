"""The OpenAPI document of /v1, put together once: what the gateway accepts, answers and refuses, and with what
headers. Fields come from the tables that the parser uses; a test compares the names, schemathesis the rest."""

from typing import Any

from services.gateway.domain import openapi_answers as answers
from services.gateway.domain import openapi_bodies as bodies
from services.gateway.domain.openapi_fields import STRING, Schema
from services.gateway.domain.usage_query import (
    CURSOR,
    CURSOR_LENGTH_MAX,
    FORMS,
    GROUPS,
    LIMIT_DEFAULT,
    LIMIT_MAX,
)

VERSION = "1"
DESCRIPTION = (
    "OpenAI's API in front of one model, paid by token. `model` in a request is accepted and ignored: the reply "
    "names the model that answered. In every body null counts as absent. A stream that has begun ends in a frame "
    "with `error`, and without `[DONE]`, when something goes wrong."
)
ABSENT: Schema = {"enum": [None, [], {}], "description": "As if the field were not there."}
JSON, CSV, EVENTS = "application/json", "text/csv", "text/event-stream"
ERRORS: dict[str, tuple[str, dict[str, Any]]] = {
    "400": ("What is wrong, and `param` names the first field at fault.", answers.RATE),
    "401": ("There is no key, or it is malformed, unknown or revoked.", answers.RATE),
    "402": ("The balance does not pay for it. Do not repeat it.", answers.RATE),
    "404": ("There is nothing of that name.", answers.RATE),
    "405": ("Another method.", answers.RATE | answers.ALLOW),
    "413": ("The body is too large.", answers.RATE),
    "429": ("Too many requests: come again after `retry-after`.", answers.RATE | answers.RETRY_AFTER),
    "502": ("The model server failed. Nothing is charged.", {}),
    "503": ("No room, or a part is down: come again after `retry-after`.", answers.RETRY_AFTER),
    "504": ("The model server said nothing for too long. Nothing is charged.", {}),
}
READING = ("400", "401", "404", "405", "429", "503")
GENERATING = ("400", "401", "402", "404", "405", "413", "429", "502", "503", "504")
HEADERS_OF_ANSWERS = answers.REQUEST_ID | answers.RATE | answers.IGNORED | answers.GRANTED


def build_document(base_url: str) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Promptly", "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": base_url}],
        "security": [{"key": []}],
        "paths": {**_generating(), **_reading()},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "sk-..."}},
            "schemas": _schemas(),
            "responses": {_name_of(status): _error(status) for status in ERRORS},
        },
    }


def _schemas() -> dict[str, Schema]:
    return {
        "Absent": ABSENT,
        "JsonSchema": bodies.SCHEMA,
        "ChatRequest": bodies.CHAT,
        "ResponseRequest": bodies.RESPONSE,
        "CompletionRequest": bodies.COMPLETION,
        "EmbeddingRequest": bodies.EMBEDDING,
        "Chat": answers.CHAT_ANSWER,
        "Response": answers.RESPONSE_ANSWER,
        "Completion": answers.COMPLETION_ANSWER,
        "Embeddings": answers.EMBEDDING_ANSWER,
        "Model": answers.MODEL,
        "Models": answers.MODELS,
        "Balance": answers.BALANCE,
        "Usage": answers.USAGE_PAGE,
        "UsageReceipt": answers.USAGE_RECEIPT,
        "Receipt": answers.RECEIPT,
        "Error": answers.ERROR,
        **answers.RECEIPT_PARTS,
    }


def _generating() -> dict[str, Any]:
    return {
        "/v1/chat/completions": _post("createChatCompletion", "ChatRequest", "Chat", EVENTS),
        "/v1/responses": _post("createResponse", "ResponseRequest", "Response", EVENTS),
        "/v1/completions": _post("createCompletion", "CompletionRequest", "Completion", EVENTS),
        "/v1/embeddings": _post("createEmbedding", "EmbeddingRequest", "Embeddings"),
    }


def _reading() -> dict[str, Any]:
    return {
        "/v1/models": _get("listModels", "Models"),
        "/v1/models/{model}": _get("retrieveModel", "Model", _in_path("model")),
        "/v1/balance": _get("retrieveBalance", "Balance"),
        "/v1/usage": _get("listUsage", "Usage", *USAGE_PARAMETERS, also=CSV),
        "/v1/usage/{request_id}": _get(
            "retrieveReceipt",
            "UsageReceipt",
            _in_path("request_id", {"type": "string", "format": "uuid"}),
            _in_query("signed", {"enum": ["true", "false"]}, "With a signature that anybody can check."),
        ),
    }


def _in_path(name: str, schema: Schema = STRING) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(name: str, schema: Schema, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


INSTANT: Schema = {
    "anyOf": [
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "pattern": "^[0-9]{1,11}$"},
    ]
}
USAGE_PARAMETERS = (
    _in_query("group_by", {"enum": list(GROUPS)}, "Default: day."),
    _in_query("since", INSTANT, "Inside. A day (UTC), an instant or Unix seconds; default: 30 days before."),
    _in_query("until", INSTANT, "Outside. Default: the end of today."),
    _in_query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
        "Rows of one page.",
    ),
    _in_query(
        "cursor",
        {"type": "string", "pattern": f"^{CURSOR.pattern}$", "maxLength": CURSOR_LENGTH_MAX},
        "`next_cursor` of the page before (in CSV the header `x-next-cursor`); it brings its own span.",
    ),
    _in_query("format", {"enum": list(FORMS)}, "Instead of `Accept: text/csv`."),
)


def _post(operation: str, takes: str, gives: str, *streamed: str) -> dict[str, Any]:
    accepted = {"required": True, "content": {JSON: {"schema": _ref("schemas", takes)}}}
    return {
        "post": {
            "operationId": operation,
            "requestBody": accepted,
            "responses": _responses(gives, streamed, GENERATING),
        }
    }


def _get(operation: str, gives: str, *parameters: dict[str, Any], also: str | None = None) -> dict[str, Any]:
    others = (also,) if also else ()
    responses = _responses(gives, others, READING)
    return {"get": {"operationId": operation, "parameters": list(parameters), "responses": responses}}


def _responses(gives: str, others: tuple[str, ...], errors: tuple[str, ...]) -> dict[str, Any]:
    content: dict[str, Any] = {JSON: {"schema": _ref("schemas", gives)}}
    content |= {kind: {} if kind == EVENTS else {"schema": STRING} for kind in others}
    answer = {"description": "The answer.", "headers": HEADERS_OF_ANSWERS, "content": content}
    return {"200": answer, **{status: _ref("responses", _name_of(status)) for status in errors}}


def _error(status: str) -> dict[str, Any]:
    description, headers = ERRORS[status]
    return {
        "description": description,
        "headers": answers.REQUEST_ID | headers,
        "content": {JSON: {"schema": _ref("schemas", "Error")}},
    }


def _name_of(status: str) -> str:
    return f"Error{status}"


def _ref(kind: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}
