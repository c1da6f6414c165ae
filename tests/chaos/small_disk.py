"""A small disk for PostgreSQL's log, a tmpfs, so that it can be full without harm to anybody else. Mounting needs root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_MB = 1200
"""Above PostgreSQL's own bound of its log, 1 GB."""
BALLAST = "ballast"
REACHABLE_PARENT = "/var/tmp"  # noqa: S108  # the folder itself gets a name that nobody could have prepared


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """Where the user `postgres` can reach it. None where it may not be mounted."""
    at = Path(tempfile.mkdtemp(prefix="promptly-chaos-", dir=REACHABLE_PARENT))
    options = f"size={SIZE_MB}m,mode=0711"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], capture_output=True, check=False
    )
    if done.returncode:
        at.rmdir()
        yield None
        return
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=False)
        at.rmdir()


def move_log(data: Path, disk: Path) -> None:
    """Of a PostgreSQL that does not run."""
    shutil.move(data / "pg_wal", disk / "pg_wal")
    (data / "pg_wal").symlink_to(disk / "pg_wal")
    owner = data.stat()
    for path in (disk, disk / "pg_wal", *(disk / "pg_wal").rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)


def fill(disk: Path) -> None:
    free = shutil.disk_usage(disk).free
    with (disk / BALLAST).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free)


def make_room(disk: Path) -> None:
    (disk / BALLAST).unlink()
