"""logs: follows the log of one process, or of all."""

import os
from typing import NoReturn

from deploy.local.failures import LocalFailure
from deploy.local.settings import LocalSettings

LINES_BEFORE = "20"


def logs(settings: LocalSettings, service: str) -> NoReturn:
    """Becomes tail(1), which follows a log through restarts (-F)."""
    there = sorted(path.stem for path in settings.logs.glob("*.log"))
    if not there:
        raise LocalFailure(f"There are no logs in {settings.logs} yet: `make up` starts the system.")
    if service and service not in there:
        raise LocalFailure(f"{service!r} has no log: choose SERVICE from {', '.join(there)}.")
    files = [str(settings.logs / f"{name}.log") for name in ([service] if service else there)]
    os.execvp("tail", ["tail", "-n", LINES_BEFORE, "-F", *files])
