"""What the bodies of all generating endpoints have in common: which fields are there, and how long and in what
shape the answer comes."""

from collections.abc import Container, Mapping
from typing import Any

from services.gateway.domain.chat_fields import is_refused
from services.gateway.domain.checks import Check, boolean, integer, not_supported, object_at
from services.gateway.domain.errors import InvalidRequest
from services.gateway.domain.generation import CompletionLimits

TOKEN_LIMIT_MAX = 2**31 - 1
FIELDS_MAX = 128
STREAMED = b'"stream":true,"stream_options":{"include_usage":true},"timings_per_token":true'
"""What the meter lives on; what the client did not ask for is cut out of the answer."""
NOT_STREAMED = b'"stream":false'


def present(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are there: null is absent."""
    given = {name: value for name, value in body.items() if value is not None}
    if len(given) > FIELDS_MAX:
        raise InvalidRequest(f"The request has more than {FIELDS_MAX} fields.")
    return given


def unknown_fields(given: Mapping[str, Any], known: Container[str]) -> list[str]:
    """The names nobody knows, to be told to the client. Raises UnsupportedParameter for those refused by name."""
    unknown = [name for name in given if name not in known]
    for name in unknown:
        if is_refused(name):
            raise not_supported(name)
    return unknown


def checked(given: Mapping[str, Any], checks: Mapping[str, Check]) -> dict[str, Any]:
    """Those of `given` that pass as they are. Empty lists and objects are absent."""
    return {
        name: checks[name](name, value)
        for name, value in given.items()
        if name in checks and value not in EMPTY
    }


def token_limit(given: Mapping[str, Any], names: tuple[str, ...], limits: CompletionLimits) -> int:
    """The last of `names` that is there counts; all are checked."""
    wanted = limits.default
    for name in names:
        if name in given:
            wanted = _TOKENS(name, given[name])
    return min(wanted, limits.maximum)


def wants_stream(given: Mapping[str, Any]) -> bool:
    return boolean("stream", given.get("stream", False))


def wants_usage(given: Mapping[str, Any]) -> bool:
    """In a stream, whose usage comes to those who ask."""
    options = object_at("stream_options", given.get("stream_options", {}))
    include_usage = options.get("include_usage")
    return include_usage is not None and boolean("stream_options.include_usage", include_usage)


_TOKENS = integer(1, TOKEN_LIMIT_MAX)
EMPTY: tuple[Any, ...] = ([], {})
