"""From an error's kind to HTTP, once: the status, and the body every JSON error of ours has.

The body is OpenAI's (`error` with `message`, `type`, `param`, `code`), so that SDK clients of the
gateway and programs against the other services read the same shape.
"""

from typing import Any

from shared.errors import Kind, PromptlyError

STATUS_OF_KIND: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.PAYMENT: 402,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD: 405,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.LIMITED: 429,
    Kind.INTERNAL: 500,
    Kind.UPSTREAM: 502,
    Kind.UNAVAILABLE: 503,
    Kind.UPSTREAM_TIMEOUT: 504,
}

TYPE_OF_KIND: dict[Kind, str] = {
    Kind.PAYMENT: "insufficient_quota",
    Kind.LIMITED: "rate_limit_exceeded",
    Kind.INTERNAL: "server_error",
    Kind.UPSTREAM: "server_error",
    Kind.UNAVAILABLE: "server_error",
    Kind.UPSTREAM_TIMEOUT: "server_error",
}
"""Everything else is `invalid_request_error`."""

KIND_OF_STATUS: dict[int, Kind] = {status: kind for kind, status in STATUS_OF_KIND.items()}


def status_of(kind: Kind) -> int:
    return STATUS_OF_KIND[kind]


def error_body(message: str, kind: Kind, *, code: str | None, param: str | None = None) -> dict[str, Any]:
    """The JSON object of an error; all four keys are always there (OpenAI's openapi.json)."""
    error_type = TYPE_OF_KIND.get(kind, "invalid_request_error")
    return {"error": {"message": message, "type": error_type, "param": param, "code": code}}


def body_of(error: PromptlyError) -> dict[str, Any]:
    return error_body(error.message, error.kind, code=error.code, param=error.param)


def headers_of(error: PromptlyError) -> dict[str, str]:
    if error.retry_after_seconds is None:
        return {}
    return {"retry-after": str(error.retry_after_seconds)}
