"""Backups on disk: one folder each, named by its instant, for its owner only; whole, or not there.

A manifest beside the files has their sizes and SHA-256, so that a restore of a damaged one stops before it begins."""

import hmac
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import file_digest
from pathlib import Path
from typing import BinaryIO

from deploy.local.failures import LocalFailure

DUMP = "database.dump"
DEFINITIONS = "rabbitmq.json"
MANIFEST = "manifest.json"
DRAFT_HOURS_MAX = 24
"""Nothing is written for that long: what is older was left by a run that was killed."""
NAME = re.compile(r"^\d{8}T\d{6}Z(-\d+)?$")


@dataclass(frozen=True, slots=True)
class Backups:
    """The newest `keep` stay."""

    folder: Path
    keep: int

    def list_made(self) -> list[Path]:
        """The oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(
            path for path in self.folder.iterdir() if NAME.match(path.name) and (path / MANIFEST).exists()
        )

    def new(self, now: datetime) -> Path:
        """A name that is free, however many are made in one second."""
        first = name = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        number = 1
        while (self.folder / name).exists():
            number += 1
            name = f"{first}-{number}"
        return self.folder / name

    @contextmanager
    def writing(self, path: Path, pepper: str, now: datetime) -> Iterator[Path]:
        """A folder to write into, that takes its name when all of it is there."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.part")
        self._drop_abandoned(now)
        draft.mkdir(mode=0o700)
        try:
            yield draft
            _write_manifest(draft, pepper, now)
            draft.rename(path)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _drop_abandoned(self, now: datetime) -> None:
        """A dump each, of which nobody would ever know."""
        for path in self.folder.glob(".*.part"):
            began_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if NAME.match(path.stem.removeprefix(".")) and now - began_at > timedelta(hours=DRAFT_HOURS_MAX):
                shutil.rmtree(path, ignore_errors=True)

    def drop_oldest(self) -> list[Path]:
        """Those that went."""
        gone = self.list_made()[: -self.keep]
        for path in gone:
            shutil.rmtree(path)
        return gone


def open_private(path: Path) -> BinaryIO:
    path.touch(mode=0o600, exist_ok=False)
    return path.open("wb")


def check(path: Path, pepper: str) -> None:
    """Raises LocalFailure when it is no backup, is damaged, or belongs to another pepper."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        files: dict[str, dict[str, object]] = manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LocalFailure(f"{path} is no backup: `make backups` lists what there is.") from error
    for name, expected in files.items():
        if not (path / name).exists() or _fact(path / name) != expected:
            raise LocalFailure(f"{path / name} is damaged: it is not what was written. Take another backup.")
    if manifest.get("pepper") != fingerprint(pepper):
        raise LocalFailure(
            "KEY_PEPPER is not the one of this backup, and every API key in it would be refused: set the one it "
            "was made with (it stands in the .env of that time, or in its system's secrets.env)."
        )


def fingerprint(pepper: str) -> str:
    """32 bits of it, under a hash: enough to tell another one, nothing to find it by."""
    return hmac.digest(pepper.encode(), b"promptly backup", "sha256")[:4].hex()


def _write_manifest(folder: Path, pepper: str, now: datetime) -> None:
    facts = {path.name: _fact(path) for path in sorted(folder.iterdir())}
    manifest = {"made_at": now.astimezone(UTC).isoformat(), "pepper": fingerprint(pepper), "files": facts}
    with open_private(folder / MANIFEST) as file:
        file.write(json.dumps(manifest, indent=2).encode())


def _fact(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": file_digest(file, "sha256").hexdigest()}
