"""Small processes for tests of what keeps processes running."""

import sys
from pathlib import Path

from deploy.local.processes import ProcessSpec

READY = "import pathlib, time; pathlib.Path('{name}.ready').touch(); "
FOR_EVER = READY + "time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + FOR_EVER


def trial_process(folder: Path, program: str, name: str = "trial", **changes: object) -> ProcessSpec:
    """A Python one-liner as a process; it is ready once the file `<name>.ready` is there."""
    values = {
        "name": name,
        "argv": (sys.executable, "-c", program.format(name=name)),
        "folder": folder,
        "log": folder / f"{name}.log",
        "is_ready": (folder / f"{name}.ready").exists,
        **changes,
    }
    return ProcessSpec(**values)  # type: ignore[arg-type]
