"""Keeps a group of processes running: starts them in stages, restarts what crashes, stops all in order.

It works in one thread, because the kernel ties each child to the thread that started it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import processes
from deploy.local.failures import LocalFailure
from deploy.local.processes import Child, ProcessSpec
from deploy.local.progress import Progress
from deploy.local.restarts import Restarts
from deploy.local.state import ProcessRecord

POLL_SECONDS = 0.05
HEALTH_EVERY_SECONDS = 2.0


@dataclass(slots=True)
class Supervised:
    """One process through its restarts; without a child it waits to be started again."""

    spec: ProcessSpec
    child: Child | None
    begun: float
    restarts: Restarts = field(default_factory=Restarts)
    healthy: bool = False


class Supervisor:
    """`on_change` is called after every change of what runs, with nothing in between."""

    def __init__(self, local_dir: Path, progress: Progress, on_change: Callable[[], None]) -> None:
        self._local_dir = local_dir
        self._progress = progress
        self._on_change = on_change
        self._stages: list[list[Supervised]] = []
        self._next_health = 0.0

    def start_stage(self, what: str, specs: Iterable[ProcessSpec]) -> None:
        """All at once, ready when the last one is. Raises LocalFailure; what runs is then ended by stop()."""
        with self._progress.step(what) as notes:
            stage: list[Supervised] = []
            self._stages.append(stage)
            for spec in specs:
                stage.append(Supervised(spec, self._start(spec), time.monotonic()))
                self._on_change()
            self._wait_ready(stage, notes)

    def watch(self) -> None:
        """One look at every process: to be called again and again."""
        for each in self._all():
            self._look_after(each)
        if time.monotonic() >= self._next_health:
            self._next_health = time.monotonic() + HEALTH_EVERY_SECONDS
            self._check_health()

    def restart(self, name: str) -> None:
        """A wanted restart: the process gets its grace, and there is no delay. Does not wait for it."""
        supervised = self._get(name)
        if supervised.child is not None:
            supervised.child.stop()
        self._begin(supervised)

    def restart_as(self, name: str, change: Callable[[ProcessSpec], ProcessSpec]) -> None:
        """The same process by other code, or told otherwise; from then on it is that."""
        supervised = self._get(name)
        supervised.spec = change(supervised.spec)
        self.restart(name)

    def wait_ready(self, name: str) -> None:
        """Raises LocalFailure when it ends or stays silent past its time."""
        self._wait_ready([self._get(name)], [])

    def kill(self, name: str) -> None:
        """SIGKILL, as a crash would: `watch` or `restart` bring it back."""
        child = self._get(name).child
        if child is not None:
            child.kill()

    def stop(self) -> None:
        """The last started first; the processes of one stage together."""
        while self._stages:
            stage = [each.child for each in self._stages[-1] if each.child is not None]
            for child in stage:
                child.request_stop()
            for child in stage:
                child.wait_stopped()
            self._stages.pop()
            self._on_change()

    def records(self) -> tuple[ProcessRecord, ...]:
        return tuple(
            ProcessRecord(
                name=each.spec.name,
                identity=each.child.identity if each.child else None,
                port=each.spec.port,
                healthy=each.healthy,
                restarts=each.restarts.total,
            )
            for each in self._all()
        )

    def _all(self) -> list[Supervised]:
        return [each for stage in self._stages for each in stage]

    def _get(self, name: str) -> Supervised:
        found = [each for each in self._all() if each.spec.name == name]
        if not found:
            names = ", ".join(each.spec.name for each in self._all())
            raise LocalFailure(f"{name!r} is no process of this system: it has {names}.")
        return found[0]

    def _start(self, spec: ProcessSpec) -> Child:
        return processes.start(spec, marker=self._local_dir)

    def _begin(self, supervised: Supervised) -> None:
        supervised.child = self._start(supervised.spec)
        supervised.begun = time.monotonic()
        supervised.healthy = False
        self._on_change()

    def _wait_ready(self, stage: list[Supervised], notes: list[str]) -> None:
        waiting = list(stage)
        while waiting:
            for each in list(waiting):
                if _became_ready(each):
                    waiting.remove(each)
                    notes.append(f"{each.spec.name} {time.monotonic() - each.begun:.1f}")
            self._progress.tick(", ".join(each.spec.name for each in waiting))
            time.sleep(POLL_SECONDS if waiting else 0)
        self._on_change()

    def _look_after(self, supervised: Supervised) -> None:
        code = supervised.child.exit_code() if supervised.child else None
        now = time.monotonic()
        if supervised.child and code is not None:
            supervised.child.kill()  # what is left of its session
            supervised.restarts = supervised.restarts.after_crash(now - supervised.begun)
            supervised.child, supervised.begun, supervised.healthy = None, now, False
            delay = supervised.restarts.delay_seconds
            self._progress.say(
                f"{supervised.spec.name} ended (exit code {code}); it starts again in {delay:.1f} s"
            )
            self._on_change()
        elif supervised.child is None and now >= supervised.begun + supervised.restarts.delay_seconds:
            self._begin(supervised)

    def _check_health(self) -> None:
        before = [each.healthy for each in self._all()]
        for each in self._all():
            each.healthy = each.child is not None and each.spec.is_ready()
        if before != [each.healthy for each in self._all()]:
            self._on_change()


def _became_ready(supervised: Supervised) -> bool:
    """Raises LocalFailure when it ended, or had its time."""
    assert supervised.child is not None  # asked only right after a start
    supervised.healthy = processes.poll_ready(supervised.child)
    if not supervised.healthy and time.monotonic() > supervised.begun + supervised.spec.start_seconds:
        raise processes.not_ready_in_time(supervised.child)
    return supervised.healthy
