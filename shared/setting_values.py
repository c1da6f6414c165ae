"""The kinds of values that settings have. Each says what is wrong in words that never show the value itself."""

from base64 import b64decode
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

SECRET_LENGTH_MIN = 16
"""Shorter ones can be guessed over the network; `make env` makes 43 characters."""
PEPPER_LENGTH_MIN = 32
ADMIN_KEY_LENGTH_MIN = 8
"""The key that a person types, behind a network list."""
DAYS_MAX = 36_500
"""A calendar ends, and a later instant than that would fail when somebody registers, not at the start."""
TOKENS_MAX = 10**12
"""A sum of many of them fits into the database's numbers."""
KEY_BYTES = 32
"""Of a sealing key (X25519) and of a signing seed (Ed25519)."""

Network = IPv4Network | IPv6Network


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _networks(value: object) -> object:
    parts = _split(value)
    return tuple(_network(part) if isinstance(part, str) else part for part in parts)  # type: ignore[attr-defined]


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(
            "it must be networks such as 10.0.0.0/8, comma-separated, with no bits set behind the prefix"
        ) from None


def is_url(text: str, *schemes: str) -> bool:
    """With a host, and a port that can be."""
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def _url(example: str, *schemes: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not is_url(text, *schemes):
            raise ValueError(f"it must be an address such as {example}")
        return text

    return check


def _may_be_empty(check: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: check(text) if text else text


def _as_secret(value: SecretStr) -> SecretStr:
    return long_enough(value, SECRET_LENGTH_MIN)


def _as_pepper(value: SecretStr) -> SecretStr:
    return long_enough(value, PEPPER_LENGTH_MIN)


def _as_admin_key(value: SecretStr) -> SecretStr:
    return long_enough(value, ADMIN_KEY_LENGTH_MIN) if value else value


def long_enough(value: SecretStr, length_min: int) -> SecretStr:
    """Raises ValueError."""
    if len(value) < length_min:
        raise ValueError(f"it must have at least {length_min} characters")
    return value


def is_key(text: str) -> bool:
    """Whether it is 32 bytes in base64."""
    try:
        return len(b64decode(text, validate=True)) == KEY_BYTES
    except ValueError:
        return False


def _public_key(value: str) -> str:
    if not is_key(value):
        raise ValueError(f"it must be {KEY_BYTES} bytes in base64")
    return value


def _secret_key(value: SecretStr) -> SecretStr:
    _public_key(value.get_secret_value())
    return value


_http = _url("http://127.0.0.1:8503", "http", "https")

CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
LongSecret = Annotated[SecretStr, AfterValidator(_as_secret)]
Secrets = Annotated[tuple[LongSecret, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)]
"""Several accepted values, comma-separated; the first is the one we send (rotation without downtime)."""
OthersSecrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
"""The same, as somebody else made them; or none."""
Pepper = Annotated[SecretStr, AfterValidator(_as_pepper)]
AdminKey = Annotated[SecretStr, AfterValidator(_as_admin_key)]
PublicKey = Annotated[str, AfterValidator(_public_key)]
SecretKey = Annotated[SecretStr, AfterValidator(_secret_key)]
SecretKeys = Annotated[tuple[SecretKey, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)]
HttpUrl = Annotated[str, AfterValidator(_http)]
HttpUrls = Annotated[tuple[HttpUrl, ...], NoDecode, BeforeValidator(_split)]
HttpUrlOrNone = Annotated[str, AfterValidator(_may_be_empty(_http))]
PostgresUrl = Annotated[
    str, AfterValidator(_url("postgresql://user:password@host/gateway", "postgresql", "postgres"))
]
RedisUrl = Annotated[str, AfterValidator(_url("redis://:password@host:6379/0", "redis", "rediss"))]
AmqpUrl = Annotated[str, AfterValidator(_url("amqp://user:password@host:5672/", "amqp", "amqps"))]
