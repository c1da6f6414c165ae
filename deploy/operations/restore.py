"""restore: a backup becomes the whole truth. Redis and RabbitMQ begin empty and are filled from PostgreSQL.

What is there already is replaced only when that was asked for, and then kept in a backup of its own first."""

from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path

from deploy.local.failures import LocalFailure
from deploy.local.progress import Progress
from deploy.operations.backup import dump_command, write
from deploy.operations.backups import DUMP, Backups, check
from deploy.operations.place import SCHEMAS, Place

TELLING = ("accounts.accounts", "metering.grants", "billing.orders")
"""Where these have no row there is nothing to lose."""


class Unasked(Enum):
    """What happens to a system that is not empty."""

    REFUSE = auto()
    REPLACE = auto()


def restore(place: Place, backups: Backups, path: Path, unasked: Unasked, progress: Progress) -> None:
    """Raises LocalFailure; what was in the database then still is, or is in the backup that was made first."""
    check(path, place.pepper)
    with place.database():
        _refuse(_rows(place), unasked)  # before anything is stopped: who mistyped still has a running system
        place.stop_services()
        if _rows(place):
            _keep(place, backups, progress)
        place.make_roles()
        _put_back(place, path / DUMP, progress)
        place.migrate()
        place.forget_all_but_the_database()
    progress.say(f"Restored {path.name}. Now start the system, and look at its books with `make audit`.")


def _refuse(rows: int, unasked: Unasked) -> None:
    if rows and unasked is Unasked.REFUSE:
        raise LocalFailure(
            f"There is a filled database ({rows} accounts, grants and orders): a restore replaces all of it. "
            "Say OVERWRITE=yes if that is meant; it is backed up first."
        )


def _keep(place: Place, backups: Backups, progress: Progress) -> None:
    now = datetime.now(UTC)
    path = backups.new(now)
    with backups.writing(path, place.pepper, now) as draft:
        write(dump_command(place), draft / DUMP, progress, "what was there")
    progress.say(f"  kept as {path}")


def _put_back(place: Place, dump: Path, progress: Progress) -> None:
    drop = "".join(f"DROP SCHEMA IF EXISTS {name} CASCADE;" for name in ("operator", *SCHEMAS))
    with progress.step("database"):
        _sql(place, drop)
        command = place.postgres("pg_restore", "--exit-on-error", "--single-transaction", "--dbname=gateway")
        with dump.open("rb") as file:
            command.run(file, None, progress.tick)


def _rows(place: Place) -> int:
    there = [table for table in TELLING if _sql(place, f"SELECT to_regclass('{table}')")]
    return sum(int(_sql(place, f"SELECT count(*) FROM {table}")) for table in there)  # noqa: S608


def _sql(place: Place, statement: str) -> str:
    quiet = ("--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--set=ON_ERROR_STOP=1")
    command = place.postgres("psql", *quiet, f"--command={statement}")
    return command.run(None, None, lambda: None).decode().strip()
