"""What runs: PostgreSQL, Redis and RabbitMQ as `make run` starts them, and the four services behind the pages, as
processes. The gateway is not among them: no page waits for it."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local import folder as folders
from deploy.local import processes
from deploy.local.databases import prepare_databases
from deploy.local.ports import free_port
from deploy.local.processes import ProcessSpec
from deploy.local.secrets import load_secrets
from deploy.local.settings import load_settings
from deploy.local.system import System

ROOT = Path(__file__).parents[2]
NOBODY = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Running:
    """`postgres_url` as the superuser; `url` is where accounts itself listens."""

    system: System

    @property
    def postgres_url(self) -> str:
        return self.system.own_backing.postgres

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.system.ports['accounts']}"

    def secret(self, name: str) -> str:
        return self.system.secrets[name]


def choose_system(folder: Path) -> Running:
    """Nothing runs yet. The same folder is the same system."""
    given = {
        "LOCAL_DIR": str(folder),
        "PORT": str(free_port()),
        "LLAMA_BASE_URL": NOBODY,
        "LOCAL_FAKES": "0",
    }
    settings = load_settings(given, env_file=ROOT / "no.env")
    folders.make_folder(settings.local_dir)
    secrets = load_secrets(settings.local_dir / "secrets.env", settings.given)
    return Running(System.choose(settings, secrets))


@contextlib.contextmanager
def servers_of(running: Running) -> Iterator[None]:
    """With every schema brought up to date."""
    with contextlib.ExitStack() as stack:
        for spec in running.system.backing_servers():
            _run(stack, spec)
        prepare_databases(ROOT, running.postgres_url, running.system.secrets)
        yield


@contextlib.contextmanager
def services_of(running: Running) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for spec in running.system.services(running.system.own_backing):
            if spec.name != "gateway":
                _run(stack, spec)
        yield


def _run(stack: contextlib.ExitStack, spec: ProcessSpec) -> None:
    child = processes.start(spec, marker=spec.folder)
    stack.callback(child.stop)
    pass_niceness_on(child.pid)
    processes.wait_ready(child)


def pass_niceness_on(pid: int) -> None:
    """To a session of its own: between sessions the kernel weighs only what stands in this file (sched(7))."""
    if (niceness := os.nice(0)) and (autogroup := Path(f"/proc/{pid}/autogroup")).exists():
        autogroup.write_text(str(niceness))
