"""Each service is told its part and no more."""

import importlib
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from deploy.local.env_file import read_env_file
from deploy.local.environments import BackingUrls, environment_of
from deploy.local.secrets import load_secrets
from deploy.local.servers.services import SERVICES
from deploy.local.settings import ROOT

BACKING = BackingUrls("postgresql://gateway:root-secret@127.0.0.1:1/gateway", "redis://x", "amqp://x")
GIVEN = {"STRIPE_SECRET_KEY": "stripe", "SMTP_PASSWORD": "smtp", "LLAMA_API_KEY": "llama"}


@pytest.fixture
def environments(tmp_path: Path) -> dict[str, dict[str, str]]:
    settings = {**GIVEN, **load_secrets(tmp_path / "secrets.env", GIVEN)}
    return {service: environment_of(service, settings, BACKING) for service in SERVICES}


def test_the_gateway_has_no_database(environments: dict[str, dict[str, str]]) -> None:
    assert "DATABASE_URL" not in environments["gateway"]


def test_nobody_gets_the_superuser_or_an_owner(environments: dict[str, dict[str, str]]) -> None:
    values = "\n".join(value for environment in environments.values() for value in environment.values())
    assert "root-secret" not in values
    assert "_owner" not in values


@pytest.mark.parametrize(
    ("name", "knowing"),
    [
        ("SEALING_PRIVATE_KEY", {"notifier"}),
        ("SEALING_PUBLIC_KEY", {"accounts"}),
        ("KEY_PEPPER", {"accounts", "gateway"}),
        ("ADMIN_KEY", {"accounts"}),
        ("STRIPE_SECRET_KEY", {"billing"}),
        ("SMTP_PASSWORD", {"notifier"}),
        ("LLAMA_API_KEY", {"gateway", "metering"}),
        ("RECEIPT_SIGNING_KEY", {"metering"}),
    ],
)
def test_a_secret_is_known_to_those_who_need_it(
    environments: dict[str, dict[str, str]], name: str, knowing: set[str]
) -> None:
    assert {service for service, environment in environments.items() if name in environment} == knowing


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_of_a_service_is_in_the_template_and_reaches_it(service: str) -> None:
    wanted = _settings_of(service)
    template = read_env_file(ROOT / ".env.template").keys()
    assert wanted <= template
    passwords = {f"{name}_PASSWORD": "x" for name in ("ACCOUNTS", "METERING", "BILLING", "NOTIFIER")}
    told = environment_of(service, {**dict.fromkeys(wanted, "x"), **passwords}, BACKING)
    assert wanted - {"LISTEN_HOST", "LISTEN_PORT"} <= told.keys()


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_is_told_what_only_others_read(service: str) -> None:
    every = set().union(*(_settings_of(each) for each in SERVICES))
    passwords = {f"{name}_PASSWORD": "x" for name in ("ACCOUNTS", "METERING", "BILLING", "NOTIFIER")}
    told = environment_of(service, {**dict.fromkeys(every, "x"), **passwords}, BACKING)
    assert told.keys() - _settings_of(service) == set()


def _settings_of(service: str) -> set[str]:
    module = importlib.import_module(f"services.{service}.settings")
    classes = [
        each for each in vars(module).values() if isinstance(each, type) and issubclass(each, BaseSettings)
    ]
    own = [each for each in classes if each.__module__ == module.__name__]
    return {name.upper() for each in own for name in each.model_fields}
