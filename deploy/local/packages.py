"""System packages, by apt-get as root. The servers are wanted as programs, not as running services."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local.failures import LocalFailure
from deploy.local.programs import find_program
from deploy.local.progress import Progress

LOG = Path(__file__).parents[2] / ".local" / "install.log"
POLL_SECONDS = 0.2
# Asked by every package's script before it starts a service; 101 means "not allowed".
POLICY = Path("/usr/sbin/policy-rc.d")
SERVICE_UNITS = ("postgresql", "redis-server", "rabbitmq-server", "nginx")


def refusal(packages: list[str], *, has_apt: bool, is_root: bool) -> str | None:
    """Why they cannot be installed from here, with what to do instead."""
    if not has_apt:
        return f"Missing here: {', '.join(packages)}. Install them with your system's package manager."
    if not is_root:
        return f"Missing here: run `sudo apt-get install -y {' '.join(packages)}`, then start again."
    return None


def install(packages: list[str], progress: Progress) -> None:
    """Raises LocalFailure when it may not, or fails."""
    if said := refusal(packages, has_apt=find_program("apt-get") is not None, is_root=os.geteuid() == 0):
        raise LocalFailure(said)
    progress.say(f"Installing system packages: {', '.join(packages)}")
    with _services_not_started():
        with progress.step("package lists"):
            run_logged(["apt-get", "update"], progress)
        with progress.step("system packages"):
            run_logged(["apt-get", "install", "-y", "--no-install-recommends", *packages], progress)
    _disable_new_services(packages)


def run_logged(
    argv: list[str], progress: Progress, log: Path = LOG, environment: Mapping[str, str] | None = None
) -> None:
    """Raises LocalFailure with the last line it wrote."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as written:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(environment or {})},
        )
        while process.poll() is None:
            progress.tick()
            time.sleep(POLL_SECONDS)
    if process.returncode:
        raise LocalFailure(f"`{' '.join(argv[:4])} ...` failed: {_last_error(log)} (all of it is in {log}).")


def _last_error(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "ERROR", "error"))]
    return (errors or lines or ["it said nothing"])[-1].rstrip(".")


@contextmanager
def _services_not_started() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _disable_new_services(packages: list[str]) -> None:
    """Nor at the next boot: this system brings private instances of its own."""
    if not Path("/run/systemd/system").exists():
        return
    units = [unit for unit in SERVICE_UNITS if unit in packages]
    subprocess.run(["systemctl", "disable", "--quiet", *units], capture_output=True, check=False)
