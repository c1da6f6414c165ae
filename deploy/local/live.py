"""A system brought to life in stages, recorded on disk after every change, and ended in order."""

import os
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import TracebackType

from deploy.local.databases import prepare_databases
from deploy.local.environments import BackingUrls
from deploy.local.failures import LocalFailure
from deploy.local.identity import find_identity
from deploy.local.progress import Progress
from deploy.local.state import Phase, SystemRecord, write_state
from deploy.local.supervisor import Supervisor
from deploy.local.system import System


class LiveSystem:
    """`backing` names running PostgreSQL, Redis and RabbitMQ; without it the system runs its own.

    A context manager: whatever happens inside, what it started is stopped."""

    def __init__(self, system: System, progress: Progress, backing: BackingUrls | None = None) -> None:
        self.system = system
        self.supervisor = Supervisor(system.settings.local_dir, progress, self._record)
        self._progress = progress
        self._backing = backing
        self._phase = Phase.STARTING

    def __enter__(self) -> "LiveSystem":
        self._record()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._phase = Phase.STOPPING
        self.supervisor.stop()
        self._state_path.unlink(missing_ok=True)

    def start(self) -> None:
        """Raises LocalFailure with one sentence."""
        system = self.system
        if self._backing is None:
            self.supervisor.start_stage("servers", chain(system.neighbours(), system.backing_servers()))
        else:
            self.supervisor.start_stage("neighbours", system.neighbours())
        backing = self._backing or system.own_backing
        with self._progress.step("databases"):
            prepare_databases(system.settings.root, backing.postgres, system.secrets)
        self.supervisor.start_stage("services", system.services(backing))
        self.supervisor.start_stage("edge", [system.edge()])
        self._phase = Phase.READY
        self._record()

    @property
    def _state_path(self) -> Path:
        return self.system.settings.local_dir / "state.json"

    def _record(self) -> None:
        identity = find_identity(os.getpid())
        if identity is None:
            raise LocalFailure("/proc is not readable here: the system runs on Linux only.")
        settings = self.system.settings
        record = SystemRecord(
            supervisor=identity,
            phase=self._phase,
            base_url=settings.base_url,
            edge_url=settings.edge_url,
            mails=str(settings.mails),
            processes=self.supervisor.records(),
        )
        with suppress(OSError):  # a full disk costs the record, not the system
            write_state(self._state_path, record)
