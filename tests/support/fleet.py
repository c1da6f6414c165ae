"""Four gateway processes over one system that has its own servers and the paced stand-in for a model.

Every process of it can be killed, stopped or restarted by name: gateway, gateway-2, ..., redis, rabbitmq, postgres."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deploy.local import probes
from deploy.local.ports import free_port
from deploy.local.processes import ProcessSpec, start, wait_ready
from deploy.local.servers import postgres
from deploy.local.settings import ROOT
from deploy.local.state import ProcessRecord
from tests.support.leftovers import own_postgres
from tests.support.newcomers import Newcomer, register
from tests.support.paced_upstream import UpstreamLog
from tests.support.stack import Stack, run_stack
from tests.support.upstream_wire import API_KEY

TRIAL_TOKENS = 20_000
GATEWAYS = ("gateway", "gateway-2", "gateway-3", "gateway-4")
SETTINGS = {
    "TRIAL_TOKENS": str(TRIAL_TOKENS),
    "LLAMA_API_KEY": API_KEY,
    "UPSTREAM_CONCURRENCY": "16",
    "INFERENCE_USER_RATE_LIMIT": "100000",
    "INFERENCE_CONCURRENCY_LIMIT": "1000",
}
"""Only money is scarce here: each account has its trial, and no other limit is met."""


@dataclass(frozen=True, slots=True)
class Fleet:
    stack: Stack
    upstream_log: UpstreamLog

    def url(self, gateway: str) -> str:
        return f"http://127.0.0.1:{self._record(gateway).port}"

    def urls(self) -> dict[str, str]:
        return {name: self.url(name) for name in GATEWAYS}

    def pid(self, process: str) -> int:
        identity = self._record(process).identity
        assert identity is not None, f"{process} does not run"
        return identity.pid

    def signal(self, process: str, what: signal.Signals) -> None:
        os.kill(self.pid(process), what)

    def kill(self, process: str) -> None:
        """SIGKILL; it stays down until `restart`."""
        self.stack.kill(process)

    async def restart(self, process: str) -> None:
        """Returns when it is ready again."""
        await asyncio.to_thread(self.stack.restart, process)

    async def newcomers(self, count: int) -> list[Newcomer]:
        """Accounts registered at the public door, whose trial the gateways know."""
        return await register(self.stack.base_url, self.stack.mails, count)

    def _record(self, process: str) -> ProcessRecord:
        return next(each for each in self.stack.live.supervisor.records() if each.name == process)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with run_fleet(tmp_path_factory.mktemp("fleet")) as running:
        yield running


@contextmanager
def run_fleet(folder: Path) -> Iterator[Fleet]:
    port, log = free_port(), UpstreamLog(folder / "upstream.log")
    settings = {**SETTINGS, "LLAMA_BASE_URL": f"http://127.0.0.1:{port}"}
    model = start(_model(folder, port, log.path), marker=folder)
    try:
        wait_ready(model)
        with (
            own_postgres(folder / "system" / "postgres"),
            run_stack(folder / "system", None, settings) as stack,
        ):
            more = [another(stack, "gateway", name) for name in GATEWAYS[1:]]
            stack.live.supervisor.start_stage("more gateways", more)
            yield Fleet(stack, log)
    finally:
        model.kill()
        postgres.remove_data(folder / "system" / "postgres")


def _model(folder: Path, port: int, log: Path) -> ProcessSpec:
    return ProcessSpec(
        name="model",
        argv=(sys.executable, "-m", "tests.support.paced_upstream", str(port), str(log)),
        folder=ROOT,
        log=folder / "model.log",
        is_ready=lambda: probes.accepts(port),
        port=port,
    )


def another(stack: Stack, service: str, name: str) -> ProcessSpec:
    """The system's own service once more, on a port of its own."""
    port = free_port()
    [first] = [each for each in stack.live.system.services(stack.backing) if each.name == service]
    return replace(
        first,
        name=name,
        log=stack.log(name),
        port=port,
        is_ready=lambda: probes.http_answers(port, "/ready"),
        missing=lambda: probes.missing_parts(port),
        environment={**first.environment, "LISTEN_PORT": str(port)},
    )
