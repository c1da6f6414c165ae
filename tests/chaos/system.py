"""The real system for chaos: five services, a second gateway, the edge, servers of its own; the providers, the
mail server and every line between a service and a server in this process, where they can be told to misbehave."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from deploy.local import folder, probes
from deploy.local.databases import prepare_databases
from deploy.local.environments import BackingUrls
from deploy.local.fakes.app import Fakes
from deploy.local.fakes.settings import BTCPAY_PAGES, FakeSettings
from deploy.local.ports import free_port
from deploy.local.processes import ProcessSpec
from deploy.local.progress import Progress
from deploy.local.secrets import load_secrets
from deploy.local.servers import postgres
from deploy.local.servers.services import SERVICES
from deploy.local.settings import ROOT, load_settings
from deploy.local.supervisor import Supervisor
from deploy.local.system import System
from shared.faults import Point
from tests.chaos.lines import Line
from tests.chaos.mail_server import MailServer
from tests.chaos.small_disk import move_log, small_disk
from tests.chaos.upstream import UpstreamLog
from tests.support.in_process import loopback_socket, serving, url_of
from tests.support.upstream_wire import API_KEY

GATEWAYS = ("gateway", "gateway-2")
TRIAL_TOKENS = 4_000
SETTINGS = {
    "TRIAL_TOKENS": str(TRIAL_TOKENS),
    "LLAMA_API_KEY": API_KEY,
    "UPSTREAM_CONCURRENCY": "16",
    "UPSTREAM_TIMEOUT_SECONDS": "8",
    "QUEUE_TIMEOUT_SECONDS": "10",
    "INFERENCE_USER_RATE_LIMIT": "100000",
    "INFERENCE_IP_RATE_LIMIT": "100000",
    "INFERENCE_CONCURRENCY_LIMIT": "1000",
    "REGISTRATION_RATE_LIMIT": "100000",
    "SMTP_HOST": "127.0.0.1",
    "SMTP_PORT": "9",
    "SMTP_FROM": "Promptly <keys@promptly.invalid>",
    "BALANCE_LOW_TOKENS": "1000",
    "STRIPE_SECRET_KEY": "sk_test_chaos",
    "STRIPE_WEBHOOK_SECRET": "whsec_chaos_of_stripe",
    "BTCPAY_API_KEY": "chaos-btcpay-key",
    "BTCPAY_STORE_ID": "stand-in",
    "BTCPAY_WEBHOOK_SECRET": "chaos-btcpay-webhook-secret",
}
NEEDS = {
    "gateway": ("redis", "rabbitmq", "upstream"),
    "accounts": ("postgres", "redis", "rabbitmq"),
    "metering": ("postgres", "redis", "rabbitmq"),
    "billing": ("postgres", "rabbitmq", "payments"),
    "notifier": ("postgres", "rabbitmq", "smtp"),
}
"""Which service speaks to which server: each pair has a line of its own."""
SERVER_OF = {
    "DATABASE_URL": "postgres",
    "REDIS_URL": "redis",
    "AMQP_URL": "rabbitmq",
    "LLAMA_BASE_URL": "upstream",
    "SMTP_PORT": "smtp",
    "STRIPE_API_URL": "payments",
    "BTCPAY_URL": "payments",
}
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
        system = _choose(home, edge)
        mails = MailServer(home / "mail")
        mails.start(smtp)
        stack.callback(mails.stop)
        fakes = Fakes(_fake_settings(f"http://127.0.0.1:{edge}"))
        await stack.enter_async_context(serving(fakes.app(), fakes_at))
        targets = {
            **{name: system.ports[name] for name in ("postgres", "redis")},
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
        chaos.postgres_disk = stack.enter_context(small_disk(home / "postgres-log"))
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
        chaos.supervisor.start_stage("servers", [_model(chaos, model), *chaos.system.backing_servers()])
        prepare_databases(ROOT, chaos.backing.postgres, chaos.secrets)

    await chaos.in_keeper(servers)
    specs = [_service(chaos, name) for name in SERVICES]
    second = free_port()
    chaos._ports[GATEWAYS[1]] = second
    await chaos.in_keeper(
        chaos.supervisor.start_stage, "services", [*specs, _second(chaos, specs[-1], second)]
    )
    await chaos.in_keeper(chaos.supervisor.start_stage, "edge", [chaos.system.edge()])


def _choose(home: Path, edge: int) -> System:
    given = {
        **SETTINGS,
        "PORT": str(edge),
        "LOCAL_DIR": str(home / "system"),
        "LLAMA_BASE_URL": "http://127.0.0.1:9",
    }
    given |= {"STRIPE_API_URL": "http://127.0.0.1:9", "BTCPAY_URL": "http://127.0.0.1:9"}
    given |= {"BTCPAY_PUBLIC_URL": f"http://127.0.0.1:{edge}{BTCPAY_PAGES}"}
    settings = load_settings(given, env_file=Path(os.devnull))
    folder.make_folder(settings.local_dir)
    secrets = load_secrets(settings.local_dir / "secrets.env", settings.given)
    return System.choose(settings, secrets)


def _fake_settings(hooks_at: str) -> FakeSettings:
    return FakeSettings(
        base_url=hooks_at,
        stripe_hook=f"{hooks_at}/stripe/webhook",
        btcpay_hook=f"{hooks_at}/btcpay/webhook",
        stripe_key=SETTINGS["STRIPE_SECRET_KEY"],
        stripe_webhook_secret=SETTINGS["STRIPE_WEBHOOK_SECRET"],
        btcpay_key=SETTINGS["BTCPAY_API_KEY"],
        btcpay_store_id=SETTINGS["BTCPAY_STORE_ID"],
        btcpay_webhook_secret=SETTINGS["BTCPAY_WEBHOOK_SECRET"],
    )


def _model(chaos: Chaos, port: int) -> ProcessSpec:
    return ProcessSpec(
        name="upstream",
        argv=(sys.executable, "-m", "tests.chaos.upstream", str(port), str(chaos.upstream_log.path)),
        folder=ROOT,
        log=chaos.home / "model.log",
        is_ready=lambda: probes.accepts(port),
        port=port,
    )


def _service(chaos: Chaos, name: str) -> ProcessSpec:
    """As `make run` starts it, only that each server is at the end of a line."""
    [spec] = [each for each in chaos.system.services(chaos.backing) if each.name == name]
    ports = {server: chaos.lines[f"{name}>{server}"].port for server in NEEDS[name]}
    environment = {key: _moved(key, value, ports) for key, value in spec.environment.items()}
    return replace(spec, environment={**environment, **_faults(chaos, name)})


def _moved(name: str, value: str, ports: Mapping[str, int]) -> str:
    """A setting that says where a server is, with the line's port instead."""
    server = SERVER_OF.get(name, "")
    if server not in ports:
        return value
    return str(ports[server]) if name == "SMTP_PORT" else _through(value, ports[server])


def _second(chaos: Chaos, first: ProcessSpec, port: int) -> ProcessSpec:
    name = GATEWAYS[1]
    return replace(
        first,
        name=name,
        log=first.log.with_name(f"{name}.log"),
        port=port,
        is_ready=lambda: probes.http_answers(port, "/ready"),
        missing=lambda: probes.missing_parts(port),
        environment={**first.environment, "LISTEN_PORT": str(port), **_faults(chaos, name)},
    )


def _faults(chaos: Chaos, name: str) -> dict[str, str]:
    orders = chaos.home / "faults" / name
    orders.mkdir(parents=True, exist_ok=True)
    return {"FAULT_POINTS": str(orders)}


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    credentials, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{credentials}{at}127.0.0.1:{port}"))
