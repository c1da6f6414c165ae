"""Reads a request body as strict JSON: one object, no key twice, no NaN. Never anything but a 400."""

import json
from typing import Any, NoReturn

import msgspec

from services.gateway.domain.errors import BodyUnreadable

COMPACT = (",", ":")
VALUES_MAX = 100_000
"""Of one body, however deep; 2,048 messages and their tools need a tenth. Eight megabytes of `[],` are 2.8
million values, and Python's parser stands still on them for two seconds, with every other thread."""
UNCOUNTED_BYTES_MAX = 64 << 10
"""So short a body cannot hold too many."""


def decode_object(body: bytes) -> dict[str, Any]:
    """Raises BodyUnreadable, also for nesting too deep to read and numbers too long."""
    if len(body) > UNCOUNTED_BYTES_MAX and _values_at_most(body) > VALUES_MAX:
        raise BodyUnreadable(f"The request body holds more than {VALUES_MAX} JSON values.")
    try:
        value = _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BodyUnreadable("The request body is not UTF-8.") from error
    except RecursionError as error:
        raise BodyUnreadable("The request body is nested too deeply.") from error
    except ValueError as error:
        raise BodyUnreadable(f"The request body is not valid JSON: {_reason(error)}") from error
    if not isinstance(value, dict):
        raise BodyUnreadable("The request body must be a JSON object.")
    return value


def encode(value: object) -> bytes:
    """Compact UTF-8. Raises BodyUnreadable for what JSON or UTF-8 cannot carry (half a surrogate pair, 1e999)."""
    try:
        return _ENCODER.encode(value).encode()
    except UnicodeEncodeError as error:
        raise BodyUnreadable("The request body contains half of a surrogate pair.") from error
    except ValueError as error:
        raise BodyUnreadable("The request body contains a number that is out of range.") from error


def encode_checked(value: object) -> bytes:
    """The same for strings and numbers that have been checked one by one, in a tenth of the time."""
    try:
        return _WRITER.encode(value)
    except UnicodeEncodeError as error:
        raise BodyUnreadable("The request body contains half of a surrogate pair.") from error


def _values_at_most(body: bytes) -> int:
    """A value is the first in its brackets or follows a comma; what lies in strings does not count. A few
    passes of C over the bytes, none of them long."""
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    strings = bare.count(b'"') // 2
    if strings > 2 * VALUES_MAX:  # keys as well
        return strings
    outside = b"".join(bare.split(b'"')[::2])
    return 1 + sum(outside.count(sign) for sign in (b",", b"[", b"{"))


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})."
    return f"{error}."[:120]


_DECODER = json.JSONDecoder(object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant)
_WRITER = msgspec.json.Encoder()
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=COMPACT)
