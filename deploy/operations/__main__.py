"""python -m deploy.operations migrate|backup|list|restore|smoke|secrets: what an operator does to a whole system, natively or with
docker compose (STACK=compose). Standard library only, apart from the native system's own parts."""

import os
import sys
from pathlib import Path

from deploy.local.failures import LocalFailure
from deploy.local.progress import Progress
from deploy.local.settings import ROOT, load_settings
from deploy.operations.backup import backup
from deploy.operations.backups import Backups
from deploy.operations.place import Place
from deploy.operations.restore import Unasked, restore
from deploy.operations.secret_files import move
from deploy.operations.smoke import smoke

USAGE = "usage: python -m deploy.operations migrate | backup | list | restore FOLDER | smoke [OPTIONS] | secrets   (STACK=compose for containers)"
KEPT = 14


def choose_place() -> Place:
    """By STACK. Raises LocalFailure."""
    settings = load_settings(os.environ)
    match os.environ.get("STACK", ""):
        case "" | "local":
            from deploy.operations.place_local import LocalPlace  # needs what .venv has

            return LocalPlace(settings)
        case "compose":
            from deploy.operations.place_compose import ComposePlace

            return ComposePlace(settings)
        case other:
            raise LocalFailure(f"STACK is {other!r}: give compose, or leave it unset.")


def main(arguments: list[str]) -> int:
    backups = Backups(_backup_folder(), keep=_kept())
    match arguments:
        case ["smoke", *options]:
            return smoke(load_settings(os.environ), options)
        case ["secrets"]:
            print(f"The secrets of .env are files in {move(ROOT)}: `docker compose up -d` brings them.")
        case ["list"]:
            print("\n".join(str(each) for each in backups.list_made()) or f"None in {backups.folder}.")
        case ["migrate"]:
            place = choose_place()
            place.check_running()
            place.migrate()
        case ["backup"]:
            print(backup(choose_place(), backups, Progress(sys.stderr)))
        case ["restore", folder] if folder:
            unasked = Unasked.REPLACE if os.environ.get("OVERWRITE") == "yes" else Unasked.REFUSE
            restore(choose_place(), backups, Path(folder), unasked, Progress(sys.stderr))
        case ["restore", *_]:
            raise LocalFailure(
                "Say which backup: `make restore FROM=backups/...` (`make backups` lists them)."
            )
        case _:
            raise LocalFailure(USAGE)
    return 0


def _backup_folder() -> Path:
    return (ROOT / (os.environ.get("BACKUP_DIR") or "backups")).absolute()


def _kept() -> int:
    text = os.environ.get("KEEP") or str(KEPT)
    if not text.isdigit() or int(text) < 1:
        raise LocalFailure(f"KEEP is {text!r}: give the number of backups to keep, at least 1.")
    return int(text)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LocalFailure as failure:
        sys.exit(str(failure))
    except OSError as error:
        sys.exit(f"{error.filename or 'The system'}: {error.strerror or error}.")
    except KeyboardInterrupt:
        sys.exit(130)
