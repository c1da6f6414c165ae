"""Settings come from the environment, once, at start; a bad one ends the process with one sentence.

Each service subclasses `ServiceSettings` in its settings.py; nothing else reads the environment. In place of
any setting NAME, NAME_FILE may name a file that holds its value: a secret then stands in no environment.
"""

import os
import sys
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.setting_values import HttpUrl, HttpUrlOrNone, Networks, Secrets

SettingsT = TypeVar("SettingsT", bound=BaseSettings)
FILE = "_FILE"


class ServiceSettings(BaseSettings):
    """What every service needs to know to run."""

    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    base_url: HttpUrl = "http://127.0.0.1:8503"
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8000, ge=1, le=65535)
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    internal_token: Secrets
    trusted_proxies: Networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    promptly_version: str = Field(default="dev", max_length=64)
    otel_exporter_otlp_endpoint: HttpUrlOrNone = ""
    """Of a collector of traces; its headers the exporter reads itself, from OTEL_EXPORTER_OTLP_HEADERS."""
    otel_traces_sampler_arg: float = Field(default=1.0, ge=0, le=1)
    """The share of requests that are traced."""


def load(settings_class: type[SettingsT]) -> SettingsT:
    """The settings, or the end of the process with one sentence that names what to set."""
    try:
        return settings_class(**_from_files(settings_class, os.environ))
    except ValidationError as error:
        _stop(_sentence(error.errors(include_input=False, include_url=False)[0]))


def _from_files(settings_class: type[BaseSettings], environment: Mapping[str, str]) -> dict[str, Any]:
    """By field, what stands in the files that NAME_FILE names. An empty file is an empty setting."""
    named = {
        field: environment[field.upper() + FILE]
        for field in settings_class.model_fields
        if environment.get(field.upper() + FILE)
    }
    for field in named:
        if environment.get(field.upper()):
            _stop(f"{field.upper()} and {field.upper()}{FILE} are both set: keep one.")
    values = {field: _read(field.upper() + FILE, Path(path)) for field, path in named.items()}
    return {field: value for field, value in values.items() if value}


def _read(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        _stop(f"{name} is wrong: {path} cannot be read ({reason}).")


def _sentence(problem: ErrorDetails) -> str:
    """A rule over several settings has no place of its own: its sentence begins with their names."""
    said = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return f"{said}."
    name = str(problem["loc"][0]).upper()
    if problem["type"] == "missing":
        return f"{name} is not set: set it in the environment or in .env (see .env.template)."
    return f"{name} is wrong: {said}."


def _stop(sentence: str) -> NoReturn:
    sys.stderr.write(sentence + "\n")
    raise SystemExit(2)
