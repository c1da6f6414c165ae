"""Who a process is, beyond its number: numbers are reused, and no foreign process may ever be signalled."""

import os
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Every process started here, and its children, carry this variable with the folder of their system.
MARKER = "PROMPTLY_LOCAL_DIR"


@dataclass(frozen=True, slots=True)
class Identity:
    """A process at one moment of one boot; `start_ticks` is field 22 of /proc/<pid>/stat."""

    pid: int
    start_ticks: int
    boot: str


def find_identity(pid: int) -> Identity | None:
    """None when no such process runs (a zombie does not run)."""
    fields = _stat_fields(pid)
    if fields is None or fields[0] == "Z":
        return None
    return Identity(pid, int(fields[19]), BOOT_ID.read_text().strip())


def is_running(identity: Identity) -> bool:
    return find_identity(identity.pid) == identity


def list_session(leader_pid: int, *, folder: str) -> list[int]:
    """The living processes of the leader's session that belong to the system in `folder`."""
    return [pid for pid in _all_pids() if _session_of(pid) == leader_pid and _is_marked(pid, folder)]


def _all_pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _session_of(pid: int) -> int | None:
    fields = _stat_fields(pid)
    return None if fields is None or fields[0] == "Z" else int(fields[3])


def _is_marked(pid: int, folder: str) -> bool:
    """By its environment or, where a server has written over that (nginx does), by the folder it is in."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return f"{MARKER}={folder}".encode() in environment or _is_inside(
            os.readlink(f"/proc/{pid}/cwd"), folder
        )
    except OSError:
        return False


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _stat_fields(pid: int) -> list[str] | None:
    """The fields after the command name, which may itself hold spaces and brackets: state is the first."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()
