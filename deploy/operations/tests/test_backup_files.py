"""Backups on disk: private, whole or absent, the newest few; a damaged or foreign one is refused before anything."""

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.failures import LocalFailure
from deploy.local.settings import ROOT
from deploy.operations.backups import DUMP, MANIFEST, Backups, check, fingerprint, open_private
from deploy.operations.place import Command

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PEPPER = "p" * 40


def made(backups: Backups, now: datetime = NOW, content: bytes = b"rows") -> Path:
    path = backups.new(now)
    with backups.writing(path, PEPPER, now) as draft, open_private(draft / DUMP) as file:
        file.write(content)
    return path


def test_only_their_owner_can_read_them(tmp_path: Path) -> None:
    path = made(Backups(tmp_path / "backups", keep=3))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.iterdir()} == {0o600}


def test_the_newest_stay(tmp_path: Path) -> None:
    backups = Backups(tmp_path, keep=2)
    paths = [made(backups, NOW + timedelta(hours=hour)) for hour in range(4)]
    (tmp_path / "of-somebody-else").mkdir()
    assert backups.drop_oldest() == paths[:2]
    assert backups.list_made() == paths[2:]
    assert (tmp_path / "of-somebody-else").exists()


def test_two_of_one_second_have_two_names(tmp_path: Path) -> None:
    backups = Backups(tmp_path, keep=2)
    assert made(backups) != made(backups)
    assert len(backups.list_made()) == 2


def test_one_that_was_cut_off_is_none(tmp_path: Path) -> None:
    backups = Backups(tmp_path, keep=2)
    path = backups.new(NOW)

    def fail_midway() -> None:
        with backups.writing(path, PEPPER, NOW) as draft:
            (draft / DUMP).write_bytes(b"half")
            raise LocalFailure("the disk is full")

    with pytest.raises(LocalFailure):
        fail_midway()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_dropped_a_day_later(tmp_path: Path) -> None:
    names = (".20261101T000000Z.part", ".20261123T115900Z.part", ".of-somebody-else.part")
    for name, age in zip(names, (timedelta(hours=25), timedelta(hours=23), timedelta(days=9)), strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / DUMP).write_bytes(b"half")
        os.utime(tmp_path / name, ((NOW - age).timestamp(),) * 2)
    path = made(Backups(tmp_path, keep=2))
    assert {each.name for each in tmp_path.iterdir()} == {path.name, *names[1:]}


def test_a_good_one_passes_and_holds_no_secret(tmp_path: Path) -> None:
    path = made(Backups(tmp_path, keep=2))
    check(path, PEPPER)
    manifest = json.loads((path / MANIFEST).read_text())
    assert PEPPER not in (path / MANIFEST).read_text()
    assert manifest["pepper"] == fingerprint(PEPPER)
    assert len(manifest["pepper"]) == 8


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: (path / DUMP).write_bytes(b"rowz"), "is damaged"),
        (lambda path: (path / DUMP).unlink(), "is damaged"),
        (lambda path: (path / MANIFEST).write_text("{"), "is no backup"),
        (lambda path: (path / MANIFEST).unlink(), "is no backup"),
    ],
)
def test_a_damaged_one_is_refused(damage: object, said: str, tmp_path: Path) -> None:
    path = made(Backups(tmp_path, keep=2))
    assert callable(damage)
    damage(path)
    with pytest.raises(LocalFailure, match=said):
        check(path, PEPPER)


def test_one_of_another_pepper_is_refused(tmp_path: Path) -> None:
    path = made(Backups(tmp_path, keep=2))
    with pytest.raises(LocalFailure, match="KEY_PEPPER is not the one of this backup"):
        check(path, "q" * 40)


def test_a_program_that_fails_says_its_last_words() -> None:
    with pytest.raises(LocalFailure, match=r"^sh failed: no such table$"):
        Command(("sh", "-c", "echo first >&2; echo no such table >&2; exit 3")).run(None, None, lambda: None)


def test_a_host_of_containers_needs_nothing_but_python() -> None:
    """-S: no site-packages, so what is not the standard library cannot be imported."""
    imported = "import deploy.operations.__main__, deploy.operations.place_compose"
    done = subprocess.run([sys.executable, "-S", "-c", imported], cwd=ROOT, check=False)
    assert done.returncode == 0
