"""The compose files against the code: each service is told all that it reads and nothing else, all is bounded."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from deploy.local.env_file import read_env_file
from deploy.local.settings import ROOT
from deploy.operations.secret_files import NEEDED, SECRETS
from services.accounts.settings import AccountsSettings
from services.billing.settings import BillingSettings
from services.gateway.settings import GatewaySettings
from services.metering.settings import MeteringSettings
from services.notifier.settings import NotifierSettings
from tests.compose.reading import (
    INTERPOLATED,
    PARTS,
    interpolated_names,
    list_services,
    merged_environment,
    read_part,
)

SETTINGS: dict[str, type[BaseSettings]] = {
    "gateway": GatewaySettings,
    "accounts": AccountsSettings,
    "metering": MeteringSettings,
    "billing": BillingSettings,
    "notifier": NotifierSettings,
}
IN_THE_IMAGE = {"LISTEN_HOST", "LISTEN_PORT"}
ONLY_WITHOUT_CONTAINERS = {"STRIPE_API_URL", "LOCAL_FAKES"}
"""The stand-ins of mail and payments are no part of an image."""
READ_BY_A_LIBRARY = {"OTEL_EXPORTER_OTLP_HEADERS"}
BY_HAND = {*IN_THE_IMAGE, *ONLY_WITHOUT_CONTAINERS, "DATABASE_URL", "REDIS_URL", "AMQP_URL"} | {
    "MIGRATION_DATABASE_URL",
    "MAIL_DIR",
    "ACCOUNTS_URL",
    "METERING_URL",
    "BILLING_URL",
    "NOTIFIER_URL",
    "GATEWAY_URL",
}
"""In the template, and not asked for by a compose file: it knows them itself."""
READ_AT_THE_START = {"POSTGRES_PASSWORD", "REDISCLI_AUTH", "RABBITMQ_DEFAULT_PASS"}
"""By the servers' images, which know no files: their entrypoint does, where secrets are files."""
READ_BY_COMPOSE_ITSELF = {"COMPOSE_PROFILES"}
ALL_SERVICES = [pytest.param(part, name, id=name) for part in PARTS for name in list_services(part)]


@pytest.mark.parametrize("service", SETTINGS)
def test_a_service_is_told_what_it_reads_and_nothing_else(service: str) -> None:
    reads = {name.upper() for name in SETTINGS[service].model_fields}
    told = set(merged_environment(service, service)) - READ_BY_A_LIBRARY
    assert told == reads - IN_THE_IMAGE - ONLY_WITHOUT_CONTAINERS


def test_what_the_files_ask_for_is_in_the_template_and_the_other_way_round() -> None:
    template = set(read_env_file(ROOT / ".env.template")) - READ_BY_COMPOSE_ITSELF
    asked = {name for part in (*PARTS, "secrets") for name in interpolated_names(part)}
    assert asked - template == set()
    assert template - asked == BY_HAND


def test_each_part_is_in_the_whole() -> None:
    [whole] = yaml.safe_load((ROOT / "compose.yaml").read_text())["include"]
    included = {Path(path).stem for path in whole["path"]}
    assert included == {*PARTS, "together"}


@pytest.mark.parametrize(("part", "name"), [*ALL_SERVICES, ("together", "operator-schema")])
def test_where_secrets_are_files_no_container_is_given_one_by_value(part: str, name: str) -> None:
    """Those that compose itself wants say only where they are: such a value must not arrive."""
    override = read_part("secrets")["services"].get(name, {})
    told = override.get("environment", {})
    mounted = [each if isinstance(each, str) else each["target"] for each in override.get("secrets", [])]
    for setting, value in merged_environment(part, name).items():
        secrets = set(INTERPOLATED.findall(str(value))) & set(SECRETS)
        if secrets & set(NEEDED):
            assert told[setting] == "", setting
        if secrets and setting not in READ_AT_THE_START:
            file = told.get(f"{setting}_FILE") or told[f"{setting}__FILE"]
            assert file.removeprefix("/run/secrets/") in mounted, setting


@pytest.mark.parametrize("name", ["db", "redis", "rabbitmq"])
def test_where_secrets_are_files_a_server_starts_as_its_image_does_with_its_own(name: str) -> None:
    override = read_part("secrets")["services"][name]
    [secret] = override["secrets"]
    shell, option, script, _ = override["entrypoint"]
    assert (shell, option) == ("sh", "-c")
    assert f'"$$(cat /run/secrets/{secret})"' in script
    assert 'exec docker-entrypoint.sh "$$@"' in script


@pytest.mark.parametrize(("part", "name"), ALL_SERVICES)
def test_no_service_has_a_name_that_two_systems_on_one_host_would_share(part: str, name: str) -> None:
    service = read_part(part)["services"][name]
    assert "container_name" not in service
    if "build" in service:
        assert service["image"].startswith("${COMPOSE_PROJECT_NAME}-")


@pytest.mark.parametrize(("part", "name"), ALL_SERVICES)
def test_every_service_is_bounded_restarts_and_gains_no_rights(part: str, name: str) -> None:
    service = resolved(part, name)
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["restart"] in ("unless-stopped", "on-failure")
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize(("part", "name"), ALL_SERVICES)
def test_what_is_published_names_its_address(part: str, name: str) -> None:
    for port in read_part(part)["services"][name].get("ports", []):
        assert port.startswith(("${", "127.0.0.1:")), port
        assert port.count(":") >= 2


@pytest.mark.parametrize("service", SETTINGS)
def test_our_own_code_runs_without_rights_and_writes_nowhere(service: str) -> None:
    ours = resolved(service, service)
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert "ports" not in ours


def test_the_edge_reaches_only_the_three_that_it_serves() -> None:
    networks = {name: set(resolved(name, name).get("networks", ["default"])) for name in (*SETTINGS, "edge")}
    assert {name for name in SETTINGS if networks[name] & networks["edge"]} == {
        "gateway",
        "accounts",
        "billing",
    }
    assert "default" not in networks["edge"]


def test_redis_keeps_what_was_spent() -> None:
    command = " ".join(read_part("data")["services"]["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_rabbitmq_keeps_its_name_and_with_it_its_data() -> None:
    assert read_part("data")["services"]["rabbitmq"]["hostname"] == "rabbitmq"


@pytest.mark.parametrize("service", ["accounts", "metering", "billing", "notifier"])
def test_a_schema_is_brought_up_to_date_before_its_service(service: str) -> None:
    order = read_part("together")["services"]
    finished = {"condition": "service_completed_successfully"}
    assert order[service]["depends_on"] == {f"migrate-{service}": finished}
    assert order[f"migrate-{service}"]["depends_on"] == {"roles": finished}
    assert order["operator-schema"]["depends_on"][f"migrate-{service}"] == finished


@pytest.mark.parametrize(
    ("place", "ports"), [("production", ("8503", "8504")), ("staging", ("8505", "8506"))]
)
def test_a_place_knows_where_it_listens_and_no_secret(place: str, ports: tuple[str, str]) -> None:
    known = read_env_file(ROOT / "deploy" / "compose" / f"{place}.env")
    assert (known["GATEWAY_PORT"], known["ADMINER_PORT"]) == ports
    assert known["GATEWAY_BIND"] == "127.0.0.1"
    assert known["TAILNET_BIND"] == known["ADMINER_BIND_HOST"] == "100.64.0.1"
    assert known.keys() <= read_env_file(ROOT / ".env.template").keys()
    assert not any(word in name for name in known for word in ("KEY", "PASSWORD", "SECRET", "TOKEN"))


def resolved(part: str, name: str) -> dict[str, Any]:
    """With what it extends, as far as these tests ask."""
    service = read_part(part)["services"][name]
    base = read_part("base")["services"][service["extends"]["service"]] if "extends" in service else {}
    return {**base, **service, "deploy": {**base.get("deploy", {}), **service.get("deploy", {})}}
