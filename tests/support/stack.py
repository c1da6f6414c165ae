"""The whole system for stories: five services behind nginx, by the code that `make run` uses.

It has servers of its own: the `database` and `redis` fixtures empty theirs while a story may still run."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deploy.database.bootstrap import ROLES
from deploy.local import folder
from deploy.local.environments import BackingUrls
from deploy.local.live import LiveSystem
from deploy.local.ports import free_port
from deploy.local.progress import Progress
from deploy.local.secrets import ROLE_PASSWORDS, load_secrets
from deploy.local.settings import load_settings
from deploy.local.system import System
from tests.support.server_choice import Servers, run_postgres, run_rabbitmq, run_redis

# All requests of all stories come from one address.
ONE_ADDRESS = {"REGISTRATION_RATE_LIMIT": "100000", "INFERENCE_IP_RATE_LIMIT": "100000"}


@dataclass(frozen=True, slots=True)
class Stack:
    """A running system, its doors, and the means to break a part of it."""

    live: LiveSystem
    backing: BackingUrls

    @property
    def base_url(self) -> str:
        return self.live.system.settings.base_url

    @property
    def mails(self) -> Path:
        return self.live.system.settings.mails

    @property
    def admin_key(self) -> str:
        return self.live.system.secrets["ADMIN_KEY"]

    def private_url(self, service: str) -> str:
        """Where the service itself listens, behind the edge."""
        return f"http://127.0.0.1:{self.live.system.ports[service]}"

    def secret(self, name: str) -> str:
        return self.live.system.secrets[name]

    def log(self, service: str) -> Path:
        return self.live.system.settings.logs / f"{service}.log"

    def kill(self, service: str) -> None:
        """SIGKILL; it stays down until `restart`."""
        self.live.supervisor.kill(service)

    def restart(self, service: str) -> None:
        """Stops it with its grace when it runs; returns when it is ready again."""
        self.live.supervisor.restart(service)
        self.live.supervisor.wait_ready(service)


@contextmanager
def run_stack(local_dir: Path, backing: BackingUrls | None, settings: Mapping[str, str]) -> Iterator[Stack]:
    """`settings` by their names in .env.template, over the defaults; nothing of this environment counts.

    Without `backing` it has servers of its own (postgres, redis, rabbitmq), to be killed and restarted too."""
    given = {**ONE_ADDRESS, "PORT": str(free_port()), "LOCAL_DIR": str(local_dir), **settings}
    loaded = load_settings(given, env_file=Path(os.devnull))
    folder.make_folder(loaded.local_dir)
    secrets = load_secrets(loaded.local_dir / "secrets.env", {**_test_passwords(), **loaded.given})
    system = System.choose(replace(loaded, given={**_test_passwords(), **loaded.given}), secrets)
    with LiveSystem(system, Progress(), backing) as live:
        live.start()
        yield Stack(live, backing or system.own_backing)


@pytest.fixture(scope="session")
def backing(servers: Servers) -> Iterator[BackingUrls]:
    with ExitStack() as running:
        postgres = running.enter_context(run_postgres(servers))
        redis = running.enter_context(run_redis(servers))
        amqp = running.enter_context(run_rabbitmq(servers))
        yield BackingUrls(postgres, redis, amqp)


def _test_passwords() -> dict[str, str]:
    """Roles belong to the whole server: where one is shared, its other users know these."""
    return dict.fromkeys((ROLE_PASSWORDS[role] for role in ROLES), "test")
