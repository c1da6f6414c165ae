"""Two versions side by side: replicas are replaced one by one under load, and nobody notices more than one retry."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from deploy.local import processes
from deploy.local.databases import prepare_databases
from deploy.local.ports import free_port
from deploy.local.servers import nginx
from deploy.local.settings import ROOT
from tests.support.fleet import Fleet, another
from tests.support.money_in_redis import until_quiet
from tests.support.newcomers import Newcomer
from tests.support.reconcile import reconcile
from tests.support.versions import MIGRATIONS, change_version, next_version

GATEWAYS = ("gateway", "gateway-2")
CHAT = "/v1/chat/completions"
AT_ONCE = 4
RETRIES_MAX = 2
"""What the SDKs do by themselves, unless they are told otherwise."""


@dataclass(slots=True)
class Clients:
    """Each sends one request after the other, whole and streamed, and repeats one that failed as an SDK would."""

    url: str
    newcomers: Sequence[Newcomer]
    over: asyncio.Event = field(default_factory=asyncio.Event)
    attempts: Counter[int] = field(default_factory=Counter)
    """How many requests took so many attempts."""
    lost: list[str] = field(default_factory=list)

    async def run(self, number: int) -> None:
        newcomer = self.newcomers[number]
        turn = 0
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            while not self.over.is_set():
                turn += 1
                await self._send(client, newcomer, stream=turn % 3 != 0)

    async def _send(self, client: httpx.AsyncClient, newcomer: Newcomer, *, stream: bool) -> None:
        failures = []
        for attempt in range(1, RETRIES_MAX + 2):
            body = newcomer.next_body(60, stream=stream, tokens=30, pace_ms=20 if stream else 2)
            failure = await _ask(client, newcomer, body)
            if failure is None:
                self.attempts[attempt] += 1
                return
            failures.append(failure)
        self.lost.append(" then ".join(failures))


async def _ask(client: httpx.AsyncClient, newcomer: Newcomer, body: dict[str, object]) -> str | None:
    """What went wrong; None when the answer came whole."""
    try:
        reply = await client.post(CHAT, json=body, headers=newcomer.headers)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}, stream {body['stream']}"
    if reply.status_code != 200:
        return f"{reply.status_code} {reply.text[:200]}"
    if body["stream"]:
        return None if reply.text.rstrip().endswith("data: [DONE]") else f"cut: {reply.text[-200:]}"
    return None if reply.json()["usage"]["completion_tokens"] == 30 else reply.text


@pytest.fixture
def edge(fleet: Fleet, tmp_path: Path) -> Iterator[str]:
    """nginx in front of two of the gateways, as the containers' edge is in front of its replicas."""
    system, port = fleet.stack.live.system, free_port()
    at = {name: f"127.0.0.1:{system.ports[name]}" for name in ("accounts", "billing")}
    addresses = [fleet.url(name).removeprefix("http://") for name in GATEWAYS]
    gateways = "; server ".join(f"{address} max_fails=0" for address in addresses)
    spec = nginx.prepare(
        tmp_path / "nginx",
        tmp_path / "log",
        addresses=["127.0.0.1"],
        port=port,
        values={
            "GATEWAY_SERVER": gateways,
            "ACCOUNTS_SERVER": at["accounts"],
            "BILLING_SERVER": at["billing"],
            "EDGE_TRUSTED_PROXIES": "",
        },
        mail_port=None,
    )
    server = processes.start(spec, marker=tmp_path)
    try:
        processes.wait_ready(server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


@asynccontextmanager
async def load(url: str, newcomers: Sequence[Newcomer]) -> AsyncIterator[Clients]:
    clients = Clients(url, newcomers)
    async with asyncio.TaskGroup() as tasks:
        for number in range(AT_ONCE):
            tasks.create_task(clients.run(number))
        try:
            yield clients
        finally:
            clients.over.set()


async def test_a_version_replaces_another_under_load_and_is_taken_back(
    fleet: Fleet, edge: str, tmp_path: Path
) -> None:
    new = next_version(tmp_path / "next")
    newcomers = await fleet.newcomers(AT_ONCE)
    async with load(edge, newcomers) as clients:
        await _migrate(fleet, new)
        for gateway in GATEWAYS:  # new events for the old ledger
            await asyncio.to_thread(change_version, fleet, gateway, new)
        await _join(fleet, "metering", "metering-2", new)  # and for both
        for process in (*GATEWAYS, "metering"):  # the way back, beside the new schema and a new ledger
            await asyncio.to_thread(change_version, fleet, process, ROOT)
    fleet.kill("metering-2")
    assert clients.lost == []
    assert clients.attempts[1] > 10 * (clients.attempts[2] + clients.attempts[3]), clients.attempts
    await until_quiet(fleet.stack.backing.redis, newcomers)
    reconciled = await reconcile(fleet, newcomers)
    assert reconciled.problems == []
    assert reconciled.outcomes["completed"] >= sum(clients.attempts.values())
    assert await _audit(fleet) == (0, "No difference.")


async def _migrate(fleet: Fleet, code: Path) -> None:
    applied = await asyncio.to_thread(
        prepare_databases, code, fleet.stack.backing.postgres, fleet.stack.live.system.secrets
    )
    for service, (name, _) in MIGRATIONS.items():
        assert applied[service] == [name]


async def _join(fleet: Fleet, service: str, name: str, code: Path) -> None:
    spec = replace(another(fleet.stack, service, name), folder=code)
    await asyncio.to_thread(fleet.stack.live.supervisor.start_stage, f"another {service}", [spec])


async def _audit(fleet: Fleet) -> tuple[int, str]:
    """Its exit code, and what its last line says first."""
    [spec] = [
        each for each in fleet.stack.live.system.services(fleet.stack.backing) if each.name == "metering"
    ]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services.metering", "audit"],
        cwd=ROOT,
        env={**spec.environment, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    last = (done.stdout.strip().splitlines() or [done.stderr])[-1]
    return done.returncode, f"{last.split('.')[0]}."
