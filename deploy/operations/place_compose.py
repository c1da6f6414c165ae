"""The containers of docker compose, by the compose.yaml of the repository's root and the .env beside it."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.failures import LocalFailure
from deploy.local.settings import LocalSettings
from deploy.operations.place import SCHEMAS, Command
from deploy.operations.secret_files import find_secret

DATABASE = "db"
SERVERS = (DATABASE, "redis", "rabbitmq")
EMPTIED = ("redis", "rabbitmq")


class ComposePlace:
    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings

    @property
    def pepper(self) -> str:
        given = os.environ.get("KEY_PEPPER") or find_secret(
            self._settings.root, self._settings.given, "KEY_PEPPER"
        )
        if not given:
            raise LocalFailure("KEY_PEPPER is not set: `make env` writes .env with fresh secrets.")
        return given

    def check_running(self) -> None:
        running = self._running()
        if missing := [name for name in (DATABASE, "rabbitmq") if name not in running]:
            raise LocalFailure(f"{' and '.join(missing)} does not run: `docker compose up -d` starts it.")

    def postgres(self, program: str, *arguments: str) -> Command:
        """pg_restore is told its database by who calls it, psql and pg_dump take the user's own: `gateway`."""
        where = ("--username=gateway",)
        return Command(self._argv("exec", "-T", DATABASE, program, *where, *arguments))

    def definitions(self) -> Command:
        return Command(
            self._argv("exec", "-T", "rabbitmq", "rabbitmqctl", "--quiet", "export_definitions", "-")
        )

    @contextmanager
    def database(self) -> Iterator[None]:
        if DATABASE not in self._running():
            self._do("up", "--detach", "--wait", DATABASE)
        yield

    def stop_services(self) -> None:
        """They stay so: the operator starts them again."""
        if others := [name for name in self._running() if name not in SERVERS]:
            self._do("stop", *others)

    def make_roles(self) -> None:
        self._do("run", "--rm", "-T", "roles")

    def migrate(self) -> None:
        self._do("run", "--rm", "-T", "roles")
        for service in SCHEMAS:
            self._do("run", "--rm", "-T", "--no-deps", f"migrate-{service}")
        self._do("run", "--rm", "-T", "--no-deps", "operator-schema")

    def forget_all_but_the_database(self) -> None:
        self._do("rm", "--stop", "--force", *EMPTIED)
        volumes = json.loads(self._output("config", "--format", "json"))["volumes"]
        names = [volumes[name]["name"] for name in EMPTIED]
        Command(("docker", "volume", "rm", "--force", *names)).run(None, None, lambda: None)

    def _running(self) -> list[str]:
        return self._output("ps", "--services", "--status", "running").split()

    def _argv(self, *arguments: str) -> tuple[str, ...]:
        return ("docker", "compose", "--project-directory", str(self._settings.root), *arguments)

    def _output(self, *arguments: str) -> str:
        return Command(self._argv(*arguments)).run(None, None, lambda: None).decode()

    def _do(self, *arguments: str) -> None:
        """Its own progress is shown as it is."""
        done = subprocess.run(self._argv(*arguments), check=False)
        if done.returncode:
            raise LocalFailure(f"`docker compose {' '.join(arguments)}` failed: its reason stands above.")
