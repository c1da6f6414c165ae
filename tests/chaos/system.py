"""The real system for chaos: five services, a second gateway, the edge, servers of its own; the providers, the
mail server and every line between a service and a server in this process, where they can be told to misbehave."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from deploy.local.databases import prepare_databases
from deploy.local.environments import BackingUrls
from deploy.local.fakes.app import Fakes
from deploy.local.ports import free_port
from deploy.local.progress import Progress
from deploy.local.servers import postgres
from deploy.local.servers.services import SERVICES
from deploy.local.settings import ROOT
from deploy.local.supervisor import Supervisor
from deploy.local.system import System
from shared.faults import Point
from tests.chaos.lines import Line
from tests.chaos.mail_server import MailServer
from tests.chaos.small_disk import move_log, small_disk
from tests.chaos.specs import GATEWAYS, NEEDS, choose, fake_settings, model_spec, second_spec, service_spec
from tests.chaos.upstream import UpstreamLog
from tests.support.in_process import loopback_socket, serving, url_of

T = TypeVar("T")


@dataclass(slots=True)
class Chaos:
    """The running system, its doors, and what it is broken with."""

    system: System
    supervisor: Supervisor
    fakes: Fakes
    mail_server: MailServer
    upstream_log: UpstreamLog
    lines: Mapping[str, Line]
    home: Path
    _keeper: ThreadPoolExecutor
    postgres_disk: Path | None = None
    """Where its log lies, when that may be full."""
    emails: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    """Every key that anybody was given, for the sweep; `emails` by account."""
    rows_seen: dict[int, str] = field(default_factory=dict)
    """Digests of the ledger's entries as the last verdict saw them."""
    mails_again_seen: int = 0
    """How many mails had come again by then."""
    _ports: dict[str, int] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        return self.system.settings.base_url

    @property
    def backing(self) -> BackingUrls:
        """The servers themselves, past every line: for the checker."""
        return self.system.own_backing

    @property
    def secrets(self) -> Mapping[str, str]:
        return self.system.secrets

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self._ports.get(service) or self.system.ports[service]}"

    def names(self) -> list[str]:
        return [each.name for each in self.supervisor.records()]

    def pid(self, process: str) -> int:
        record = next(each for each in self.supervisor.records() if each.name == process)
        assert record.identity is not None, f"{process} does not run"
        return record.identity.pid

    def signal(self, process: str, what: signal.Signals) -> None:
        os.kill(self.pid(process), what)

    async def kill(self, process: str) -> None:
        """SIGKILL; PostgreSQL by the signal for an immediate end, for SIGKILL orphans its sessions."""
        if process == "postgres":
            self.signal(process, signal.SIGQUIT)
        else:
            await self.in_keeper(self.supervisor.kill, process)

    async def start(self, process: str) -> None:
        """Starts it anew, stopping it with its grace if it runs. Returns when it is ready."""
        if process == "postgres":
            await self.in_keeper(self.prepare_postgres)
        await self.in_keeper(self.supervisor.restart, process)
        await self.in_keeper(self.supervisor.wait_ready, process)

    async def in_keeper(self, work: Callable[..., T], *arguments: Any) -> T:
        """The kernel ties each child to the thread that started it: there is one thread for all."""
        return await asyncio.get_running_loop().run_in_executor(self._keeper, work, *arguments)

    def order(self, process: str, point: Point) -> Path:
        """`process` dies when it next comes there; the file is gone once it has."""
        order = self.home / "faults" / process / point
        order.touch()
        return order

    def prepare_postgres(self) -> None:
        """Makes its data; done again, clears the lock file that a crash leaves."""
        postgres.prepare(
            self.system.settings.local_dir / "postgres",
            port=self.system.ports["postgres"],
            password=self.secrets["POSTGRES_PASSWORD"],
        )


@asynccontextmanager
async def running_chaos(home: Path) -> AsyncIterator[Chaos]:
    async with AsyncExitStack() as stack:
        keeper = stack.enter_context(ThreadPoolExecutor(1))
        edge, model, smtp = free_port(), free_port(), free_port()
        fakes_at = loopback_socket()
        system = choose(home, edge)
        mails = MailServer(home / "mail")
        mails.start(smtp)
        stack.callback(mails.stop)
        fakes = Fakes(fake_settings(f"http://127.0.0.1:{edge}"))
        await stack.enter_async_context(serving(fakes.app(), fakes_at))
        targets = {
            **{name: system.ports[name] for name in ("postgres", "redis", *SERVICES)},
            "rabbitmq": system.ports["amqp"],
            "upstream": model,
            "smtp": smtp,
            "payments": urlsplit(url_of(fakes_at)).port or 0,
        }
        lines = {
            f"{service}>{server}": Line(f"{service}>{server}", targets[server])
            for service, servers in NEEDS.items()
            for server in servers
        }
        for line in lines.values():
            await line.open()
            stack.push_async_callback(line.close)
        supervisor = Supervisor(system.settings.local_dir, Progress(), lambda: None)
        log = UpstreamLog(home / "upstream.log")
        chaos = Chaos(system, supervisor, fakes, mails, log, lines, home, keeper)
        chaos.postgres_disk = stack.enter_context(small_disk())
        stack.push_async_callback(_stop, chaos)
        await _start(chaos, model)
        yield chaos


async def _stop(chaos: Chaos) -> None:
    await chaos.in_keeper(chaos.supervisor.stop)
    await chaos.in_keeper(postgres.remove_data, chaos.system.settings.local_dir / "postgres")


async def _start(chaos: Chaos, model: int) -> None:
    def servers() -> None:
        if chaos.postgres_disk is not None:
            chaos.prepare_postgres()
            move_log(postgres.data_folder(chaos.system.settings.local_dir / "postgres"), chaos.postgres_disk)
        chaos.supervisor.start_stage(
            "servers",
            [model_spec(chaos.home, chaos.upstream_log.path, model), *chaos.system.backing_servers()],
        )
        prepare_databases(ROOT, chaos.backing.postgres, chaos.secrets)

    await chaos.in_keeper(servers)
    specs = [service_spec(chaos.system, chaos.lines, chaos.home, name) for name in SERVICES]
    second = free_port()
    chaos._ports[GATEWAYS[1]] = second
    await chaos.in_keeper(
        chaos.supervisor.start_stage, "services", [*specs, second_spec(specs[-1], chaos.home, second)]
    )
    await chaos.in_keeper(chaos.supervisor.start_stage, "edge", [chaos.system.edge()])
