"""The native system in LOCAL_DIR, of which each server is a process of this machine."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from deploy.local import folder, processes
from deploy.local.databases import make_roles, prepare_databases
from deploy.local.failures import LocalFailure
from deploy.local.programs import get_postgres_folder, get_rabbitmq
from deploy.local.running import running_system, runs
from deploy.local.secrets import load_secrets
from deploy.local.servers import postgres, rabbitmq
from deploy.local.settings import LocalSettings
from deploy.local.system import System
from deploy.operations.place import Command


class LocalPlace:
    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._system: System | None = None

    @property
    def pepper(self) -> str:
        return self._known.secrets["KEY_PEPPER"]

    def check_running(self) -> None:
        self._system = running_system(self._settings)

    def postgres(self, program: str, *arguments: str) -> Command:
        url = urlsplit(self._url)
        where = {
            "PGHOST": url.hostname or "",
            "PGPORT": str(url.port),
            "PGUSER": postgres.SUPERUSER,
            "PGDATABASE": postgres.DATABASE,
            "PGPASSWORD": self._known.secrets["POSTGRES_PASSWORD"],
        }
        return Command((str(get_postgres_folder() / program), *arguments), {**os.environ, **where})

    def definitions(self) -> Command:
        ports = self._known.ports
        rabbit = rabbitmq.RabbitPorts(ports["amqp"], ports["rabbitmq-distribution"], ports["rabbitmq-epmd"])
        environment = rabbitmq.environment(self._settings.local_dir / "rabbitmq", rabbit)
        program = get_rabbitmq().with_name("rabbitmqctl")
        return Command(
            (str(program), "--quiet", "export_definitions", "-"), {"PATH": os.environ["PATH"], **environment}
        )

    @contextmanager
    def database(self) -> Iterator[None]:
        """In the folder of a system that does not run; it starts a moment for this."""
        if runs(self._settings):
            raise LocalFailure("The system runs: stop it first (`make down`), then restore, then start it.")
        folder.make_folder(self._settings.local_dir)
        with folder.held(self._settings.local_dir):
            secrets, port = self._known.secrets, self._known.ports["postgres"]
            spec = postgres.prepare(
                self._settings.local_dir / "postgres", port=port, password=secrets["POSTGRES_PASSWORD"]
            )
            server = processes.start(spec, marker=self._settings.local_dir)
            try:
                processes.wait_ready(server)
                yield
            finally:
                server.stop()

    def stop_services(self) -> None:
        """None runs: `database` refuses a system that does."""

    def make_roles(self) -> None:
        make_roles(self._url, self._known.secrets)

    def migrate(self) -> None:
        applied = prepare_databases(self._settings.root, self._url, self._known.secrets)
        for service, names in applied.items():
            print(f"{service:<9} {', '.join(names) or 'up to date'}")

    def forget_all_but_the_database(self) -> None:
        for server in ("redis", "rabbitmq"):
            shutil.rmtree(self._settings.local_dir / server, ignore_errors=True)

    @property
    def _url(self) -> str:
        return self._known.own_backing.postgres

    @property
    def _known(self) -> System:
        """As it runs, or as it would be started."""
        if self._system is None:
            if runs(self._settings):
                self._system = running_system(self._settings)
            else:
                folder.make_folder(self._settings.local_dir)
                secrets = load_secrets(self._settings.local_dir / "secrets.env", self._settings.given)
                self._system = System.choose(self._settings, secrets)
        return self._system
