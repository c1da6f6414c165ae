"""What a process has used, as the kernel counts it: nanoseconds on a core, and memory."""

import os
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PARENT = 1
USER_AND_SYSTEM = slice(11, 13)
"""Of the fields of /proc/PID/stat after the name (proc(5))."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Of these processes and of those that they started and that still run."""
    return sum(map(_cpu_seconds_of, _with_children(pids)))


def memory_mb(pids: Iterable[int]) -> float:
    """Resident, without children."""
    return sum(map(_memory_mb_of, pids))


def _with_children(pids: Iterable[int]) -> set[int]:
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


def _cpu_seconds_of(pid: int) -> float:
    """By the scheduler's own clock where the kernel has it: /proc/PID/stat counts in hundredths of a second."""
    try:
        schedules = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
        nanoseconds = sum(int(path.read_text().split()[0]) for path in schedules)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    if schedules:
        return nanoseconds / 1e9
    return sum(map(int, _stat_of(pid)[USER_AND_SYSTEM])) / TICKS_PER_SECOND


def _memory_mb_of(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [resident] = [line for line in lines if line.startswith("VmRSS")]
    return int(resident.split()[1]) / 1024
