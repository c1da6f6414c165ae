"""A restore over containers, with a stand-in for docker: what is stopped, and when."""

import os
import sys
from pathlib import Path

import pytest

from deploy.local.failures import LocalFailure
from deploy.local.progress import Progress
from deploy.local.settings import load_settings
from deploy.operations.backups import DUMP, Backups, open_private
from deploy.operations.place_compose import ComposePlace
from deploy.operations.restore import Unasked, restore
from deploy.operations.tests.test_backup_files import NOW, PEPPER

DOCKER = """#!/bin/sh
echo "$*" >> "$DOCKER_LOG"
case "$*" in
  *"ps --services"*) printf '%s\\n' db redis rabbitmq gateway accounts ;;
  *to_regclass*) echo a_table ;;
  *"SELECT count"*) echo "$ROWS" ;;
  *"config --format json"*) echo '{"volumes": {"redis": {"name": "p_redis"}, "rabbitmq": {"name": "p_rabbitmq"}}}' ;;
esac
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_LOG", str(tmp_path / "docker.log"))
    monkeypatch.setenv("KEY_PEPPER", PEPPER)
    return tmp_path / "docker.log"


def put_back(folder: Path, unasked: Unasked) -> None:
    backups = Backups(folder / "backups", keep=3)
    path = backups.new(NOW)
    with backups.writing(path, PEPPER, NOW) as draft, open_private(draft / DUMP) as file:
        file.write(b"rows")
    place = ComposePlace(load_settings({}, env_file=Path("/dev/null")))
    restore(place, backups, path, unasked, Progress(sys.stderr))


def test_a_refused_one_leaves_everything_running(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWS", "7")
    with pytest.raises(LocalFailure, match=r"There is a filled database \(21 accounts"):
        put_back(tmp_path, Unasked.REFUSE)
    said = log.read_text()
    assert [word for word in (" stop ", " up ", " rm ", "DROP") if word in said] == []


@pytest.mark.parametrize(("rows", "unasked"), [("7", Unasked.REPLACE), ("0", Unasked.REFUSE)])
def test_nothing_is_dropped_while_a_service_runs_or_before_it_is_kept(
    log: Path, tmp_path: Path, rows: str, unasked: Unasked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWS", rows)
    put_back(tmp_path, unasked)
    said = log.read_text()
    steps = [
        "stop gateway accounts",
        *(["pg_dump"] if rows != "0" else []),
        "DROP SCHEMA",
        "pg_restore",
        "volume rm",
    ]
    places = [said.index(step) for step in steps]
    assert places == sorted(places)
    assert said.count("pg_dump") == (rows != "0")
