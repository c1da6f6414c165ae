"""What the gateway needs from its environment. It has no database credentials."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from shared.setting_values import AmqpUrl, CommaSeparated, HttpUrl, Pepper, RedisUrl, is_url
from shared.settings import ServiceSettings

ANY_ORIGIN = "*"


def _http_urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    wrong = next((place for place, url in enumerate(urls, start=1) if not _is_http_url(url)), None)
    if wrong is not None or not urls:
        hint = "number {place} is no address such as http://100.64.0.2:8502 (several are separated by commas)"
        raise PydanticCustomError("upstream_url", hint, {"place": wrong or 1})
    if len(set(urls)) < len(urls):
        raise PydanticCustomError("upstream_url", "the same address stands there twice")
    return urls


def _is_http_url(text: str) -> bool:
    return is_url(text, "http", "https") and text.isprintable() and " " not in text


def _header_value(value: SecretStr) -> SecretStr:
    """A line's end in it would be the end of a header."""
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable()):
        raise PydanticCustomError("header", "it must be one line of printable ASCII characters")
    return value


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    if origins == (ANY_ORIGIN,):
        return origins
    wrong = next((place for place, text in enumerate(origins, start=1) if not _is_origin(text)), None)
    if wrong is not None:
        hint = "number {place} is no origin such as https://app.example.com (or * alone, for every origin)"
        raise PydanticCustomError("origin", hint, {"place": wrong})
    return origins


def _is_origin(text: str) -> bool:
    """As a browser sends it: scheme, host in small letters, a port, and nothing behind."""
    return (
        _is_http_url(text) and text == text.lower() and text.count("/") == 2 and not set(text) & set("?#@ ")
    )


class GatewaySettings(ServiceSettings):
    redis_url: RedisUrl
    amqp_url: AmqpUrl
    accounts_url: HttpUrl
    metering_url: HttpUrl
    key_pepper: Pepper

    llama_base_url: Annotated[CommaSeparated, AfterValidator(_http_urls)]
    llama_api_key: Annotated[SecretStr, AfterValidator(_header_value)] | None = None
    upstream_concurrency: int = Field(default=4, ge=1)
    upstream_timeout_seconds: float = Field(default=600, gt=0)
    queue_length_max: int = Field(default=256, ge=0)
    queue_timeout_seconds: float = Field(default=30, gt=0)

    inference_ip_rate_limit: int = Field(default=120, ge=1)
    cors_allowed_origins: Annotated[CommaSeparated, AfterValidator(_origins)] = ()
    default_completion_tokens: int = Field(default=8192, ge=1)
    max_completion_tokens: int = Field(default=32768, ge=1)
