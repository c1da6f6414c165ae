""".env.template holds every setting that anything of this system reads, each with a comment, and nothing else."""

import importlib
import re
from itertools import pairwise

import pytest
from pydantic_settings import BaseSettings

from deploy.database.bootstrap import ROLES
from deploy.local.env_file import read_env_file
from deploy.local.secrets import ROLE_PASSWORDS, fresh_secrets
from deploy.local.servers.services import SERVICES
from deploy.local.settings import ROOT

TEMPLATE = ROOT / ".env.template"
INTERPOLATED = re.compile(r"\$\{([A-Z][A-Z0-9_]*)")
PLUMBING = {
    "LISTEN_HOST",
    "LISTEN_PORT",
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "REDIS_URL",
    "AMQP_URL",
} | {f"{service.upper()}_URL" for service in SERVICES}
"""The compose files set these themselves."""
READ_BY_COMPOSE_ITSELF = {"COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "COMPOSE_PROFILES"}
SETS_ITSELF = {"PROMPTLY_VERSION", *READ_BY_COMPOSE_ITSELF}
"""What docker compose or a deployment sets: it may stand in .env, and need not."""


def read_by_services() -> set[str]:
    modules = [importlib.import_module(f"services.{service}.settings") for service in SERVICES]
    classes = {
        each
        for module in (*modules, importlib.import_module("shared.process"))
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, BaseSettings) and each is not BaseSettings
    }
    return {name.upper() for each in classes for name in each.model_fields}


def read_by_compose() -> set[str]:
    files = [ROOT / "compose.yaml", *(ROOT / "deploy" / "compose").rglob("*.yml")]
    return {name for path in files for name in INTERPOLATED.findall(path.read_text(encoding="utf-8"))}


def read_by_deploy() -> set[str]:
    """What deploy/local and the database's preparation read by name."""
    return {
        *(ROLE_PASSWORDS[role] for role in ROLES),
        "LOCAL_FAKES",
        "GATEWAY_BIND",
        "GATEWAY_PORT",
        "TAILNET_BIND",
    }


def test_every_setting_of_every_service_is_in_it() -> None:
    assert read_by_services() - read_env_file(TEMPLATE).keys() == set()


def test_every_setting_of_the_compose_files_is_in_it() -> None:
    assert read_by_compose() - read_env_file(TEMPLATE).keys() - SETS_ITSELF == set()


def test_nothing_else_is_in_it() -> None:
    read = read_by_services() | read_by_compose() | read_by_deploy() | PLUMBING | READ_BY_COMPOSE_ITSELF
    assert read_env_file(TEMPLATE).keys() - read == set()


def test_every_setting_of_a_service_reaches_its_container() -> None:
    """Somewhere in its compose file; what compose sets itself needs no place there."""
    base = (ROOT / "deploy" / "compose" / "base.yml").read_text(encoding="utf-8")
    for service in SERVICES:
        module = importlib.import_module(f"services.{service}.settings")
        [settings] = [
            each
            for each in vars(module).values()
            if isinstance(each, type)
            and issubclass(each, BaseSettings)
            and each.__module__ == module.__name__
        ]
        file = base + (ROOT / "deploy" / "compose" / f"{service}.yml").read_text(encoding="utf-8")
        wanted = {name.upper() for name in settings.model_fields} - {"LISTEN_HOST", "LISTEN_PORT"}
        wanted -= {"LOCAL_FAKES", "STRIPE_API_URL"}  # of a system without containers
        assert {name for name in wanted if not re.search(rf"\b{name}(_FILE)?\b", file)} == set(), service


def test_every_setting_has_a_comment_above_it() -> None:
    """Or stands in a group of its kind under one: passwords of roles, internal addresses, a provider's."""
    lines = TEMPLATE.read_text(encoding="utf-8").splitlines()
    bare = [line for above, line in pairwise(lines) if re.match(r"[A-Z]", line) and not above.startswith("#")]
    grouped = re.compile(r"[A-Z_]+_(PASSWORD|URL)=|BTCPAY_")
    assert [line for line in bare if not grouped.match(line)] == []


def test_no_setting_stands_there_twice() -> None:
    names = re.findall(r"^([A-Z][A-Z0-9_]*)=", TEMPLATE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("secret", sorted(fresh_secrets()))
def test_every_secret_that_is_made_has_a_place(secret: str) -> None:
    assert read_env_file(TEMPLATE)[secret] == ""
