"""What a killed test run left behind is removed by the next: its containers, its servers' folders, its data.

All of it carries its owner, a process at one moment of one boot (deploy/local/identity.py): nothing is touched of a
run that goes on, in another worker or another terminal. Local processes need no removal: they end with their parent."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from docker.errors import APIError
from testcontainers.core.docker_client import DockerClient

from deploy.local.identity import Identity, find_identity, is_running
from deploy.local.servers import postgres

FOLDERS = "promptly-test-"
LABEL = "promptly.test-owner"


@contextmanager
def own_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"{FOLDERS}{own_name()}-") as folder:
        yield Path(folder)


@contextmanager
def own_postgres(home: Path) -> Iterator[None]:
    """For a home that lies in a folder without an owner: as root, its data lie elsewhere still."""
    with own_folder() as folder:
        (folder / "postgres").symlink_to(home)
        yield


def own_name() -> str:
    owner = find_identity(os.getpid())
    assert owner is not None
    return f"{owner.pid}.{owner.start_ticks}.{owner.boot}."


def has_ended(name: str) -> bool:
    """Whether the name's owner has; what cannot be read belongs to somebody else, and goes on."""
    pid, ticks, boot, *_ = [*name.split("."), "", "", ""]
    return pid.isdigit() and ticks.isdigit() and not is_running(Identity(int(pid), int(ticks), boot))


def remove_left_folders(parent: Path) -> None:
    for folder in parent.glob(f"{FOLDERS}*"):
        if has_ended(folder.name.removeprefix(FOLDERS)):
            if (folder / "postgres" / "data-folder").exists():
                postgres.remove_data(folder / "postgres")
            shutil.rmtree(folder, ignore_errors=True)


def remove_left_containers() -> None:
    engine = DockerClient().client
    for container in engine.containers.list(all=True, filters={"label": LABEL}):
        if has_ended(container.labels[LABEL]):
            # Another worker, which began at the same moment, may be removing it.
            with suppress(APIError):
                container.remove(force=True, v=True)
