"""backup: PostgreSQL as one consistent dump, RabbitMQ's definitions; the services run on meanwhile.

Redis is not in it: all that it holds is rebuilt from PostgreSQL, or is seconds old (docs/operations/backups.md)."""

from datetime import UTC, datetime
from pathlib import Path

from deploy.local.progress import Progress
from deploy.operations.backups import DEFINITIONS, DUMP, Backups, open_private
from deploy.operations.place import Command, Place


def backup(place: Place, backups: Backups, progress: Progress) -> Path:
    """Its folder. Raises LocalFailure, and then leaves nothing behind."""
    place.check_running()
    now = datetime.now(UTC)
    path = backups.new(now)
    with backups.writing(path, place.pepper, now) as draft:
        write(dump_command(place), draft / DUMP, progress, "database")
        write(place.definitions(), draft / DEFINITIONS, progress, "queues' definitions")
    for gone in backups.drop_oldest():
        progress.say(f"  dropped {gone.name}, past the newest {backups.keep}")
    return path


def dump_command(place: Place) -> Command:
    """The views of schema `operator` are made anew at each start."""
    return place.postgres("pg_dump", "--format=custom", "--exclude-schema=operator")


def write(command: Command, path: Path, progress: Progress, what: str) -> None:
    with progress.step(what) as notes, open_private(path) as file:
        command.run(None, file, lambda: progress.tick(f"{path.stat().st_size / 1e6:.0f} MB so far"))
        notes.append(f"{path.stat().st_size / 1e6:.1f} MB")
