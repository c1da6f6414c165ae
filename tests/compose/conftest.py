"""Production and staging beside each other on this host's engine, and a real model for both."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from deploy.local.ports import free_port
from deploy.local.settings import ROOT
from tests.support.compose_project import ComposeProject, check_out
from tests.support.wait_until import wait_until

LLAMA_KEY = "of-the-model-server"
SECOND_ADDRESS = "127.0.0.2"
MODEL_WITHIN_SECONDS = 120
READY_WITHIN_SECONDS = 240
# All requests of all stories come from one address.
ONE_ADDRESS = {
    "REGISTRATION_RATE_LIMIT": "1000",
    "INFERENCE_IP_RATE_LIMIT": "100000",
    "INFERENCE_USER_RATE_LIMIT": "10000",
}
# An engine with many networks gives addresses beyond 172.16.0.0/12, and these requests come from the host itself.
OPERATORS = {"ADMIN_ALLOWED_CIDRS": "127.0.0.0/8,172.16.0.0/12,192.168.0.0/16"}


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings that lead containers to a model server on this host."""
    bridge = _bridge_address()
    port = free_port()
    log = tmp_path_factory.mktemp("model") / "model.log"
    with _model_server(bridge, port, log):
        yield {"LLAMA_BASE_URL": f"http://host.docker.internal:{port}", "LLAMA_API_KEY": LLAMA_KEY}


@pytest.fixture(scope="session")
def production(llama: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProject]:
    own = {"BASE_URL": "http://127.0.0.1:8503"}
    yield from _running("model-gateway", "production", {**llama, **own}, tmp_path_factory)


@pytest.fixture(scope="session")
def staging(
    production: ComposeProject, llama: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComposeProject]:
    """While production runs."""
    yield from _running("model-gateway-staging", "staging", llama, tmp_path_factory)


def _running(
    name: str, place: str, settings: dict[str, str], temporary: pytest.TempPathFactory
) -> Iterator[ComposeProject]:
    second = {"TAILNET_BIND": SECOND_ADDRESS, "ADMINER_BIND_HOST": SECOND_ADDRESS}
    project = check_out(
        temporary.mktemp("opt") / name, place, {**second, **ONE_ADDRESS, **OPERATORS, **settings}
    )
    try:
        project.compose("up", "--build", "--detach", "--remove-orphans")
        wait_until(project.is_ready, READY_WITHIN_SECONDS)
        yield project
    finally:
        project.end()


@contextmanager
def _model_server(host: str, port: int, log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "deploy.local.model_server", "--host", host, "--port", str(port)]
    environment = {**os.environ, "LLAMA_API_KEY": LLAMA_KEY}
    with (
        log.open("w") as output,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output) as child,
    ):
        try:
            wait_until(lambda: _answers(f"http://{host}:{port}/health"), MODEL_WITHIN_SECONDS)
            yield
        finally:
            child.kill()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


def _bridge_address() -> str:
    """Where containers find this host as host.docker.internal."""
    asked = ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
