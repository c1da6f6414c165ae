"""One native child process: how it is started, found ready, and stopped. It never outlives its parent."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.failures import LocalFailure
from deploy.local.identity import MARKER, Identity, find_identity

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to start. `is_ready` asks once, without waiting, and `missing` what stands in the way; `user`
    is used only when the parent is root."""

    name: str
    argv: tuple[str, ...]
    folder: Path
    log: Path
    is_ready: Callable[[], bool]
    port: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    start_seconds: float = 60.0
    missing: Callable[[], str] = str


class Child:
    """A started process, leader of its own session, so that Ctrl-C reaches only the parent."""

    def __init__(self, spec: ProcessSpec, process: subprocess.Popen[bytes], identity: Identity) -> None:
        self.spec = spec
        self.identity = identity
        self.is_ready = False
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        return self._process.poll()

    def request_stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self.spec.stop_signal)

    def wait_stopped(self) -> None:
        """After its grace the whole session is killed: a server's own children must not remain."""
        try:
            self._process.wait(self.spec.stop_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        self.request_stop()
        self.wait_stopped()


def start(spec: ProcessSpec, *, marker: Path) -> Child:
    """Starts it without waiting for it to be ready. Call from the main thread: the kernel ends the
    child with the *thread* that started it."""
    spec.log.parent.mkdir(parents=True, exist_ok=True)
    user = user_to_become(spec.user)
    with spec.log.open("ab") as log:
        process = subprocess.Popen(
            spec.argv,
            cwd=spec.folder,
            env={**_inherited(), **spec.environment, MARKER: str(marker)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent(spec.stop_signal),
            user=user,
            group=user,
            extra_groups=[user] if user else None,
        )
    return Child(spec, process, find_identity(process.pid) or Identity(process.pid, 0, ""))


def wait_ready(child: Child) -> None:
    """Raises LocalFailure when the process ends or stays silent past its time."""
    deadline = time.monotonic() + child.spec.start_seconds
    while not poll_ready(child):
        if time.monotonic() > deadline:
            raise not_ready_in_time(child)
        time.sleep(POLL_SECONDS)


def poll_ready(child: Child) -> bool:
    if (code := child.exit_code()) is not None:
        raise LocalFailure(_sentence(child, f"ended at its start (exit code {code})"))
    child.is_ready = child.is_ready or child.spec.is_ready()
    return child.is_ready


def not_ready_in_time(child: Child) -> LocalFailure:
    missing = child.spec.missing()
    why = f" (it misses {missing})" if missing else ""
    return LocalFailure(_sentence(child, f"was not ready after {child.spec.start_seconds:.0f} s{why}"))


def user_to_become(user: str | None) -> str | None:
    """Only root can become another user; anybody else runs everything as oneself."""
    return user if os.geteuid() == 0 else None


def last_line(log: Path) -> str:
    """The last line that says something, for the sentence that reports a failure."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")[:300]


def _sentence(child: Child, what: str) -> str:
    said = last_line(child.spec.log)
    return f"{child.spec.name} {what}; see {child.spec.log}" + (f", which ends: {said}" if said else "")


def _inherited() -> dict[str, str]:
    """What a server may know of our environment: no setting reaches a process that was not given it."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _die_with_parent(stop_signal: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def before_exec() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(stop_signal))
        if os.getppid() != parent:
            os._exit(1)

    return before_exec
