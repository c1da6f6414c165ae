"""The folder of one system: its lock, its record, its logs and the requests of other commands."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.failures import LocalFailure

FREE_BYTES_MIN = 500 * 1024 * 1024
# With less than this a server that fails fails because of it.
FULL_BYTES = 50 * 1024 * 1024
STATE = "state.json"
REQUESTS = "requests"


def make_folder(folder: Path) -> None:
    """Raises LocalFailure when it cannot be, or has too little room."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalFailure(
            f"{folder} cannot be made ({error.strerror}): set LOCAL_DIR to another folder."
        ) from error
    check_room(folder, FREE_BYTES_MIN)


def check_room(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        needed, there = needed_bytes // 2**20, free // 2**20
        raise LocalFailure(
            f"Only {there} MB are free at {folder} and {needed} MB are needed: free some disk space."
        )


@contextmanager
def disk_full_explained(folder: Path) -> Iterator[None]:
    """A server that ran out of disk says so in its own words, or dies of something else."""
    try:
        yield
    except LocalFailure:
        check_room(folder, FULL_BYTES)
        raise


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """One supervisor per folder; the kernel gives the lock back however it ends."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LocalFailure(
                f"A system already runs in {folder}: `make status` shows it, `make down` stops it."
            ) from error
        yield


def keep_previous_logs(logs: Path) -> None:
    """Each start has logs of its own; those of the start before are kept beside them."""
    logs.mkdir(parents=True, exist_ok=True)
    for log in logs.glob("*.log"):
        log.replace(log.with_suffix(".log.1"))


def ask_restart(folder: Path, name: str) -> None:
    (folder / REQUESTS).mkdir(exist_ok=True)
    (folder / REQUESTS / name).touch()


def take_requests(folder: Path) -> list[str]:
    """The names of the processes to restart; each request is given out once."""
    try:
        names = sorted(os.listdir(folder / REQUESTS))
    except FileNotFoundError:
        return []
    for name in names:
        (folder / REQUESTS / name).unlink(missing_ok=True)
    return names
