"""Checks of single values: each gives the value to send on, or raises InvalidRequest naming the field.

Those with bounds are values themselves, so that what is documented is what is checked (openapi_fields.py)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.gateway.domain.errors import InvalidRequest, UnsupportedParameter

NAME_LENGTH_SHOWN_MAX = 64

Check = Callable[[str, Any], Any]
"""(field, value) -> the value to send upstream."""


@dataclass(frozen=True, slots=True)
class Number:
    low: float
    high: float

    def __call__(self, field: str, value: Any) -> float | int:
        low, high = self.low, self.high
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise InvalidRequest(f"'{field}' must be a number from {low:g} to {high:g}.", param=field)
        return value


@dataclass(frozen=True, slots=True)
class Integer:
    low: int
    high: int

    def __call__(self, field: str, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise InvalidRequest(f"'{field}' must be an integer from {self.low} to {self.high}.", param=field)
        return value


@dataclass(frozen=True, slots=True)
class OneOf:
    words: tuple[str, ...]

    def __call__(self, field: str, value: Any) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise InvalidRequest(f"'{field}' must be one of: {', '.join(self.words)}.", param=field)
        return value


number, integer = Number, Integer


def not_supported(name: str) -> UnsupportedParameter:
    """The name may be the client's, and as long as a body."""
    shown = name[:NAME_LENGTH_SHOWN_MAX]
    return UnsupportedParameter(f"'{shown}' is not supported here: leave it out.", param=shown)


def one_of(*words: str) -> OneOf:
    return OneOf(words)


def boolean(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"'{field}' must be true or false.", param=field)
    return value


def text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"'{field}' must be a string.", param=field)
    return value


def object_at(field: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"'{field}' must be an object.", param=field)
    return value


def list_at(field: str, value: Any, *, length_max: int) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidRequest(f"'{field}' must be a list.", param=field)
    if len(value) > length_max:
        raise InvalidRequest(f"'{field}' may have at most {length_max} entries.", param=field)
    return value


def only_one(field: str, value: Any) -> None:
    """`n`: several choices are not metered by llama-server, so there is one."""
    if isinstance(value, bool) or value != 1:
        raise InvalidRequest(f"'{field}' must be 1: send the request several times instead.", param=field)


def seed(field: str, value: Any) -> int:
    """OpenAI takes 64 bits, llama-server 32; all ones there and -1 here mean: random."""
    return int(integer(-(2**63), 2**63 - 1)(field, value)) % 2**32


def stop(field: str, value: Any) -> list[str]:
    words = [value] if isinstance(value, str) else list_at(field, value, length_max=STOPS_MAX)
    for word in words:
        if not isinstance(word, str) or not 0 < len(word) <= STOP_LENGTH_MAX:
            message = f"'{field}' must be strings of 1 to {STOP_LENGTH_MAX} characters."
            raise InvalidRequest(message, param=field)
    return words


def logit_bias(field: str, value: Any) -> dict[str, Any]:
    biases = object_at(field, value)
    if len(biases) > LOGIT_BIASES_MAX:
        raise InvalidRequest(f"'{field}' may have at most {LOGIT_BIASES_MAX} entries.", param=field)
    for token, bias in biases.items():
        if not (token.isascii() and token.isdigit() and len(token) <= TOKEN_DIGITS_MAX):
            raise InvalidRequest(f"The keys of '{field}' must be token ids.", param=field)
        _BIAS(field, bias)
    return biases


STOPS_MAX = 4
"""As OpenAI; each is searched for at each token."""
STOP_LENGTH_MAX = 256
LOGIT_BIASES_MAX = 300
TOKEN_DIGITS_MAX = 7
_BIAS = number(-100, 100)
