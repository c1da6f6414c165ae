"""Metering as it runs: its own durable PostgreSQL, Redis and RabbitMQ, and the service as a process."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.database.bootstrap import ROLES, bootstrap, url_of
from deploy.local import probes, processes
from deploy.local.ports import free_port
from deploy.local.processes import ProcessSpec
from deploy.local.servers import postgres, rabbitmq, redis
from shared.migrations import migrate

ROOT = Path(__file__).parents[2]
PASSWORD = "of-this-benchmark-alone"  # noqa: S105  # of servers that live as long as the run
PARENT, CPU = 0, slice(10, 14)
"""Of the numbers in /proc/PID/stat: utime, stime, and those of children that have ended."""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class System:
    folder: Path
    postgres_url: str
    redis_url: str
    amqp_url: str
    server_pids: tuple[int, ...]

    def database_url(self, role: str) -> str:
        return url_of(self.postgres_url, role, PASSWORD)


@dataclass(frozen=True, slots=True)
class Service:
    """The running process, as the kernel sees it."""

    pid: int
    port: int

    def memory_mb(self) -> float:
        [line] = [
            line
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS")
        ]
        return int(line.split()[1]) / 1024

    def cpu_seconds(self) -> float:
        return cpu_seconds_of([self.pid])


@contextlib.contextmanager
def running_system() -> Iterator[System]:
    """PostgreSQL with its own defaults: every commit is on disk."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="promptly-bench-")))
        postgres_port, redis_port = free_port(), free_port()
        ports = rabbitmq.RabbitPorts(amqp=free_port(), distribution=free_port(), port_mapper=free_port())
        stack.callback(postgres.remove_data, folder / "postgres")
        specs = (
            postgres.prepare(folder / "postgres", port=postgres_port, password=PASSWORD),
            redis.prepare(folder / "redis", port=redis_port, password=PASSWORD),
            *rabbitmq.prepare(folder / "rabbitmq", ports=ports, password=PASSWORD),
        )
        pids = tuple(_run(stack, spec) for spec in specs)
        yield System(
            folder,
            postgres.url(postgres_port, PASSWORD),
            redis.url(redis_port, PASSWORD),
            rabbitmq.url(ports.amqp, PASSWORD),
            pids,
        )


async def make_schema(system: System) -> None:
    await bootstrap(system.postgres_url, dict.fromkeys(ROLES, PASSWORD))
    await migrate(system.database_url("metering_owner"), ROOT / "services" / "metering" / "migrations")


def environment_of(system: System, port: int) -> dict[str, str]:
    """The service's settings."""
    return {
        "DATABASE_URL": system.database_url("metering"),
        "REDIS_URL": system.redis_url,
        "AMQP_URL": system.amqp_url,
        "INTERNAL_TOKEN": PASSWORD,
        "LISTEN_PORT": str(port),
    }


@contextlib.contextmanager
def running_service(system: System) -> Iterator[Service]:
    port = free_port()
    spec = ProcessSpec(
        name="metering",
        argv=(sys.executable, "-m", "services.metering"),
        folder=ROOT,
        log=system.folder / "log" / "metering.log",
        is_ready=lambda: probes.http_answers(port, "/ready"),
        environment=environment_of(system, port),
        stop_seconds=30.0,
    )
    with contextlib.ExitStack() as stack:
        yield Service(_run(stack, spec), port)


def cpu_seconds_of(pids: Sequence[int]) -> float:
    """Of these processes and of all that they started, also of those that have ended."""
    stats = {int(path.parent.name): _stat_of(path) for path in Path("/proc").glob("[0-9]*/stat")}
    family = set(pids)
    while more := {pid for pid, stat in stats.items() if stat[PARENT] in family} - family:
        family |= more
    return sum(sum(stats[pid][CPU]) for pid in family if pid in stats) / TICKS_PER_SECOND


def _stat_of(path: Path) -> list[int]:
    """The numbers after the name and the state (proc(5)); empty when the process has just ended."""
    try:
        return [int(field) for field in path.read_text().rpartition(")")[2].split()[1:]]
    except (FileNotFoundError, ProcessLookupError):
        return [0] * 20


def _run(stack: contextlib.ExitStack, spec: ProcessSpec) -> int:
    child = processes.start(spec, marker=spec.folder)
    stack.callback(child.stop)
    processes.wait_ready(child)
    return child.pid
