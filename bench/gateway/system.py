"""What runs: Redis and RabbitMQ as `make run` starts them, stand-ins, nginx, the gateway; on their cores, and
ended with the run. The other services are stopped: keys and balances are in Redis already."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from bench.gateway import nginx
from bench.gateway.cores import Cores, pinned
from deploy.local import processes
from deploy.local.environments import BackingUrls, environment_of
from deploy.local.ports import free_port
from deploy.local.processes import ProcessSpec
from deploy.local.secrets import fresh_secrets
from deploy.local.servers import rabbitmq, redis, services
from deploy.local.settings import load_settings

ROOT = Path(__file__).parents[2]
LOGS = ROOT / "bench" / "results" / "log"
"""Of the gateways and peers of the last run."""
RAISED = {
    "INFERENCE_IP_RATE_LIMIT": "1000000",
    "UPSTREAM_CONCURRENCY": "4096",
    "QUEUE_LENGTH_MAX": "8192",
}
"""Limits and networks apart, the settings are those of `make run`."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that answers chats. `headers`: one set for each customer. `pid`: None for nobody between.
    `sleeps`: stands still while it is not its turn."""

    name: str
    port: int
    pid: int | None
    headers: tuple[Mapping[str, str], ...] = ({},)
    model: str = "gpt-4o-mini"
    sleeps: bool = False


class Surroundings:
    """Runs until its stack is left. `whole_port`, `stream_port`: where the stand-ins answer."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path, cores: Cores) -> None:
        self.folder = folder
        self.cores = cores
        self.secrets = fresh_secrets()
        self._stack = stack
        self._started = 0
        self.redis_pid, self.redis_url = self._start_redis()
        self.amqp_url = self._start_rabbitmq()
        self.whole_port, self.stream_port = free_port(), free_port()
        self.start(nginx.prepare_stand_in(folder, port=self.whole_port), on=self.cores.around)
        streaming = nginx.prepare_streaming_stand_in(folder, ROOT, port=self.stream_port)
        self.start(streaming, on=self.cores.around)

    @property
    def pepper(self) -> bytes:
        return self.secrets["KEY_PEPPER"].encode()

    def start(self, spec: ProcessSpec, *, on: Sequence[int]) -> int:
        """Ready when this returns; its number."""
        argv = pinned(spec.argv, on)
        child = processes.start(replace(spec, argv=argv), marker=self.folder)
        self._stack.callback(child.stop)
        _pass_niceness_on(child.pid)
        processes.wait_ready(child)
        return child.pid

    def put_to_sleep(self, pid: int) -> None:
        """Until somebody wakes it; at the end of the run it is awake, so that it can end."""
        os.kill(pid, signal.SIGSTOP)
        self._stack.callback(_wake, pid)

    def start_proxy(self, upstream_port: int) -> Contender:
        spec = nginx.prepare_proxy(self.folder, port=free_port(), upstream_port=upstream_port)
        return Contender("nginx", _port_of(spec), self.start(spec, on=self.cores.tested))

    def start_gateway(
        self,
        upstream_port: int,
        headers: tuple[Mapping[str, str], ...],
        *,
        on: Sequence[int] | None = None,
        different: Mapping[str, str] | None = None,
    ) -> Contender:
        """Its log, the request log with it, goes to a file."""
        self._started += 1
        logs = LOGS / f"gateway-{self._started}"
        environment = {**self._environment(upstream_port), **(different or {})}
        spec = services.prepare(ROOT, logs, "gateway", port=free_port(), environment=environment)
        return Contender("gateway", _port_of(spec), self.start(spec, on=on or self.cores.tested), headers)

    def _environment(self, upstream_port: int) -> dict[str, str]:
        """The addresses of those that do not run are nobody's."""
        given = load_settings({}, env_file=ROOT / "no.env").given
        nobody = f"http://127.0.0.1:{free_port()}"
        addresses = {f"{name.upper()}_URL": nobody for name in services.SERVICES}
        upstream = {"LLAMA_BASE_URL": f"http://127.0.0.1:{upstream_port}"}
        backing = BackingUrls(postgres="", redis=self.redis_url, amqp=self.amqp_url)
        return environment_of(
            "gateway", {**given, **addresses, **self.secrets, **upstream, **RAISED}, backing
        )

    def _start_redis(self) -> tuple[int, str]:
        port, password = free_port(), self.secrets["REDIS_PASSWORD"]
        spec = redis.prepare(self.folder / "redis", port=port, password=password)
        return self.start(spec, on=self.cores.around), redis.url(port, password)

    def _start_rabbitmq(self) -> str:
        ports = rabbitmq.RabbitPorts(free_port(), free_port(), free_port())
        password = self.secrets["RABBITMQ_PASSWORD"]
        for spec in rabbitmq.prepare(self.folder / "rabbitmq", ports=ports, password=password):
            self.start(spec, on=self.cores.around)
        return rabbitmq.url(ports.amqp, password)


@contextlib.contextmanager
def running_surroundings(cores: Cores) -> Iterator[Surroundings]:
    """Whatever ends the run, SIGTERM or Ctrl-C too, ends all that it started."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_sigterm_unwinds())
        _pass_niceness_on(os.getpid())
        shutil.rmtree(LOGS, ignore_errors=True)
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="promptly-bench-", ignore_cleanup_errors=True)
        )
        yield Surroundings(stack, Path(folder), cores)


@contextlib.contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    def stop(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _pass_niceness_on(pid: int) -> None:
    """To a session of its own: between sessions the kernel weighs only what stands in this file (sched(7))."""
    if (niceness := os.nice(0)) and (autogroup := Path(f"/proc/{pid}/autogroup")).exists():
        autogroup.write_text(str(niceness))


def _wake(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _port_of(spec: ProcessSpec) -> int:
    assert spec.port is not None
    return spec.port
