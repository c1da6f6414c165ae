"""The fields of a response request: what is honoured, what is accepted because it asks for what is so anyway,
and what is refused by name. Nothing is left out in silence; lists and objects without content count as absent.
"""

from collections.abc import Mapping
from typing import Any

from services.gateway.domain.body_fields import EMPTY
from services.gateway.domain.chat_fields import PASSED
from services.gateway.domain.checks import Check, boolean, not_supported, object_at, text
from services.gateway.domain.errors import InvalidRequest, UnsupportedParameter

HONOURED = frozenset(
    {
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "reasoning",
        "stream",
        "temperature",
        "text",
        "top_p",
    }
)
METADATA_MAX = 16
METADATA_KEY_LENGTH_MAX = 64
METADATA_VALUE_LENGTH_MAX = 512
LABEL_LENGTH_MAX = 512


def only(*values: Any) -> Check:
    """What is so anyway may be asked for."""

    def check(field: str, value: Any) -> None:
        if value not in values or isinstance(value, bool) is not isinstance(values[0], bool):
            shown = " or ".join(str(value).lower() for value in values)
            raise UnsupportedParameter(f"'{field}' is not supported here, other than {shown}.", param=field)

    return check


def label(field: str, value: Any) -> str:
    if len(text(field, value)) > LABEL_LENGTH_MAX:
        raise InvalidRequest(f"'{field}' may have at most {LABEL_LENGTH_MAX} characters.", param=field)
    return str(value)


def refuse(field: str, _: Any) -> Any:
    raise not_supported(field)


def stream_options(field: str, value: Any) -> None:
    """Usage is always there, and nothing is padded."""
    members_of({field: value}, field, {"include_usage": boolean, "include_obfuscation": boolean})


ACCEPTED: dict[str, Check] = {
    "background": only(False),
    "model": text,
    "prompt_cache_key": label,
    "safety_identifier": label,
    "service_tier": only("auto", "default"),
    "store": boolean,
    "stream_options": stream_options,
    "top_logprobs": only(0),
    "truncation": only("disabled"),
    "user": label,
}
"""Checked, and named in the reply with what is really done: nothing is stored, for instance."""

REFUSED = frozenset(
    {
        "access_programs",
        "background_options",
        "context_management",
        "conversation",
        "image",
        "include",
        "max_tool_calls",
        "moderation",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_options",
        "prompt_cache_retention",
        "tool_choice",
        "tools",
    }
)
KNOWN = HONOURED | ACCEPTED.keys() | REFUSED


def check_fields(given: Mapping[str, Any]) -> None:
    """Raises InvalidRequest or UnsupportedParameter naming the first field at fault."""
    for name, value in given.items():
        if name in REFUSED and value not in EMPTY:
            raise not_supported(name)
        if name in ACCEPTED:
            ACCEPTED[name](name, value)


def effort_of(given: Mapping[str, Any]) -> str | None:
    reasoning = members_of(given, "reasoning", {"effort": PASSED["reasoning_effort"]})
    return reasoning.get("effort")


def metadata_of(given: Mapping[str, Any]) -> dict[str, str]:
    metadata = object_at("metadata", given.get("metadata", {}))
    if len(metadata) > METADATA_MAX:
        raise InvalidRequest(f"'metadata' may have at most {METADATA_MAX} entries.", param="metadata")
    for key, value in metadata.items():
        if (
            not isinstance(value, str)
            or len(key) > METADATA_KEY_LENGTH_MAX
            or len(value) > METADATA_VALUE_LENGTH_MAX
        ):
            message = (
                f"'metadata' must be strings of at most {METADATA_VALUE_LENGTH_MAX} characters, "
                f"under names of at most {METADATA_KEY_LENGTH_MAX}."
            )
            raise InvalidRequest(message, param="metadata")
    return metadata


def members_of(given: Mapping[str, Any], field: str, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Of an object: those that are there and known; any other is refused."""
    members = object_at(field, given.get(field, {}))
    there = {name: value for name, value in members.items() if value is not None}
    for name, value in there.items():
        check = checks.get(name, refuse)
        check(f"{field}.{name}", value)
    return there
