"""Where a system runs, as far as its operator's commands can tell: natively in a folder, or in containers."""

import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from deploy.local.failures import LocalFailure

SCHEMAS = ("accounts", "metering", "billing", "notifier")
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Command:
    """A program of the place's servers; what is set in `environment` is a password."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def run(self, source: BinaryIO | None, target: BinaryIO | None, tick: Callable[[], None]) -> bytes:
        """What it wrote, unless into `target`. Raises LocalFailure with its own last words."""
        with subprocess.Popen(
            self.argv,
            env=self.environment or None,
            stdin=source or subprocess.DEVNULL,
            stdout=target or subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            written, said = _wait(process, tick)
        if process.returncode:
            words = said.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise LocalFailure(f"{Path(self.argv[0]).name} failed: {words[-1]}")
        return written


def _wait(process: subprocess.Popen[bytes], tick: Callable[[], None]) -> tuple[bytes, bytes]:
    while True:
        try:
            written, said = process.communicate(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            tick()
        else:
            return written or b"", said or b""


class Place(Protocol):
    """Every method raises LocalFailure with one sentence."""

    @property
    def pepper(self) -> str: ...

    def check_running(self) -> None: ...

    def postgres(self, program: str, *arguments: str) -> Command:
        """pg_dump, pg_restore or psql of the server's own version, as the superuser."""

    def definitions(self) -> Command:
        """Of RabbitMQ: users, queues, bindings, as JSON."""

    def database(self) -> AbstractContextManager[None]:
        """Within it PostgreSQL runs; what else does is left as it is."""

    def stop_services(self) -> None:
        """All that could write to the database."""

    def make_roles(self) -> None: ...

    def migrate(self) -> None:
        """Says what it applied."""

    def forget_all_but_the_database(self) -> None:
        """Redis and RabbitMQ begin empty at the next start."""
