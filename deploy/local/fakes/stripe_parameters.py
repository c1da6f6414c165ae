"""Stripe's request bodies: nested names in an urlencoded form, and which of them a call knows."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl


class StripeRefusal(Exception):
    """Stripe's error object with its HTTP status (docs.stripe.com/api/errors)."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": kind, "message": message, "code": code, "param": param}}


def read_parameters(text: str) -> dict[str, Any]:
    """`a[b][0][c]=d` becomes nested dicts; numbers as names stay text."""
    parameters: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        *path, last = name.replace("]", "").split("[")
        inner = parameters
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last or str(len(inner))] = value
    return parameters


def refuse_unknown(parameters: Mapping[str, Any], known: Iterable[str]) -> None:
    for name in parameters.keys() - set(known):
        raise StripeRefusal(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def get_text(parameters: Mapping[str, Any], *path: str) -> str:
    """Raises StripeRefusal where it is missing."""
    found: Any = parameters
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, str) or not found:
        name = path[0] + "".join(f"[{part}]" for part in path[1:])
        raise StripeRefusal(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
    return found


def get_integer(parameters: Mapping[str, Any], *path: str) -> int:
    text = get_text(parameters, *path)
    try:
        return int(text)
    except ValueError:
        name = path[0] + "".join(f"[{part}]" for part in path[1:])
        raise StripeRefusal(
            400, f"Invalid integer: {text}", code="parameter_invalid_integer", param=name
        ) from None
