"""Secrets as files: the servers and a service start with them, and no container has one in its environment."""

from collections.abc import Iterator

import pytest

from deploy.local.ports import free_port
from deploy.operations.secret_files import SECRETS, move
from tests.support.compose_project import ComposeProject, check_out
from tests.support.wait_until import wait_until

WITHIN_SECONDS = 120
STARTED = ("redis", "metering")
"""Metering brings the database, its roles and its schema; it needs all three servers."""


@pytest.fixture(scope="module")
def in_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProject]:
    settings = {"LLAMA_BASE_URL": "http://127.0.0.1:9", "GATEWAY_PORT": str(free_port())}
    project = check_out(tmp_path_factory.mktemp("files") / "in-files", "staging", settings)
    move(project.folder)
    try:
        project.compose("up", "--build", "--detach", *STARTED, "rabbitmq")
        yield project
    finally:
        project.end()


def test_a_service_is_ready_with_them(in_files: ComposeProject) -> None:
    def is_ready() -> bool:
        return '"ready"' in in_files.get("metering", "/ready")

    wait_until(is_ready, WITHIN_SECONDS)


def test_the_servers_want_the_passwords_of_the_files(in_files: ComposeProject) -> None:
    ask = "REDISCLI_AUTH=$(cat /run/secrets/REDIS_PASSWORD) redis-cli ping"
    assert in_files.run_in("redis", "sh", "-c", ask).strip() == "PONG"
    for password in ("", "in-a-file"):
        refused = in_files.run_in("redis", "sh", "-c", f"REDISCLI_AUTH={password} redis-cli ping")
        assert "NOAUTH" in refused


def test_no_environment_holds_one(in_files: ComposeProject) -> None:
    folder = in_files.folder / "secrets"
    secrets = {value for name in SECRETS if (value := (folder / name).read_text())}
    told = [line for each in in_files.containers() for line in each["Config"]["Env"]]
    assert len(secrets) > len(SECRETS) / 2
    assert [line for line in told if any(secret in line for secret in secrets)] == []
