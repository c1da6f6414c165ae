"""What a process has used, as the kernel counts it: nanoseconds on a core, and memory."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PARENT = 1
USER_AND_SYSTEM = slice(11, 13)
"""Of the fields of /proc/PID/stat after the name (proc(5))."""


class Meter:
    """`core`: the share of a core used between entering and leaving, by these processes and those that they started;
    `waiting`: the share that they could have used had nobody else been there."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._family = with_children(pids)
        self._begun = (0.0, 0.0, 0.0)
        self.seconds = 0.0
        self.core = 0.0
        self.waiting = 0.0

    def __enter__(self) -> Self:
        self._begun = (time.perf_counter(), *self._used())
        return self

    def __exit__(self, *_: object) -> None:
        at, running, waiting = (time.perf_counter(), *self._used())
        self.seconds = at - self._begun[0]
        self.core = (running - self._begun[1]) / self.seconds
        self.waiting = (waiting - self._begun[2]) / self.seconds

    def _used(self) -> tuple[float, float]:
        running, waiting = (
            zip(*map(scheduled_seconds, self._family), strict=True) if self._family else ((), ())
        )
        return sum(running), sum(waiting)


def cpu_seconds(pids: Iterable[int]) -> float:
    return sum(scheduled_seconds(pid)[0] for pid in with_children(pids))


def memory_mb(pids: Iterable[int]) -> float:
    """Resident, without children."""
    return sum(map(_memory_mb_of, pids))


def with_children(pids: Iterable[int]) -> set[int]:
    parents = {pid: int(fields[PARENT]) for pid in _all_pids() if (fields := _stat_of(pid))}
    family = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _all_pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _stat_of(pid: int) -> list[str]:
    """Empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def scheduled_seconds(pid: int) -> tuple[float, float]:
    """On a core, and waiting for one, by the scheduler's own clock. Where the kernel does not tell, by
    /proc/PID/stat, which counts in hundredths of a second and knows of no waiting."""
    try:
        tasks = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0
    if tasks:
        return sum(int(task[0]) for task in tasks) / 1e9, sum(int(task[1]) for task in tasks) / 1e9
    return sum(map(int, _stat_of(pid)[USER_AND_SYSTEM])) / TICKS_PER_SECOND, 0.0


def _memory_mb_of(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [resident] = [line for line in lines if line.startswith("VmRSS")]
    return int(resident.split()[1]) / 1024
