"""Settings come from the environment, once, at start; a bad one ends the process with one sentence.

Each service subclasses `ServiceSettings` in its settings.py; nothing else reads the environment.
"""

import sys
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, NoReturn, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network
SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _networks(value: object) -> object:
    parts = _split(value)
    return tuple(ip_network(part) if isinstance(part, str) else part for part in parts)  # type: ignore[attr-defined]


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)]
"""Several accepted values, comma-separated; the first is the one we send (rotation without downtime)."""


class ServiceSettings(BaseSettings):
    """What every service needs to know to run."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    base_url: str = "http://127.0.0.1:8503"
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8000, ge=1, le=65535)
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    internal_token: Secrets
    trusted_proxies: Networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def load(settings_class: type[SettingsT]) -> SettingsT:
    """The settings, or the end of the process with one sentence that names what to set."""
    try:
        return settings_class()
    except ValidationError as error:
        _stop(settings_class, error.errors(include_input=False, include_url=False)[0])


def _stop(settings_class: type[BaseSettings], problem: ErrorDetails) -> NoReturn:
    name = str(problem["loc"][0]).upper() if problem["loc"] else settings_class.__name__
    if problem["type"] == "missing":
        sentence = f"{name} is not set: set it in the environment or in .env (see .env.template)."
    else:
        sentence = f"{name} is wrong: {problem['msg']}."
    sys.stderr.write(sentence + "\n")
    raise SystemExit(2)
