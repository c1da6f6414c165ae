"""Ending what a killed supervisor left behind, and nothing else.

A recorded process is ours when it began at the recorded moment of this boot; a process of its session is
ours when its environment or its folder names ours. A number alone proves nothing."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from deploy.local.identity import is_running, list_session
from deploy.local.state import ProcessRecord

GRACE_SECONDS = 15.0
POLL_SECONDS = 0.1


def list_leftovers(records: Iterable[ProcessRecord], local_dir: Path) -> dict[str, list[int]]:
    """The living processes by the name they were recorded under."""
    found = {record.name: _living(record, local_dir) for record in records}
    return {name: pids for name, pids in found.items() if pids}


def end_leftovers(
    records: tuple[ProcessRecord, ...], local_dir: Path, *, grace_seconds: float = GRACE_SECONDS
) -> list[str]:
    """Asks all to end, kills what does not; the names of what was ended, latest started first."""
    names = list(list_leftovers(records, local_dir))
    _signal(records, local_dir, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while list_leftovers(records, local_dir):
        if time.monotonic() > deadline:
            _signal(records, local_dir, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    return names


def _living(record: ProcessRecord, local_dir: Path) -> list[int]:
    if record.identity is None:
        return []
    leader = [record.identity.pid] if is_running(record.identity) else []
    members = list_session(record.identity.pid, folder=str(local_dir))
    return sorted({*leader, *members})


def _signal(records: Iterable[ProcessRecord], local_dir: Path, number: signal.Signals) -> None:
    for pids in reversed(list_leftovers(records, local_dir).values()):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
