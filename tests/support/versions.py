"""A next version of the system: this tree with what a release may change. A checkout has no history to take one from.

It adds an optional field to the event of usage, and a migration to two schemas; otherwise it is the same code, so
that the story shows what versions do to each other, not what a change of behaviour would."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from deploy.local.settings import ROOT
from tests.support.fleet import Fleet

PARTS = ("services", "shared", "deploy")
FIELD = '    sequence: int = Field(ge=1)\n    built_from: str | None = "the next version"\n'
MIGRATIONS = {
    "metering": ("9001_add_region.sql", "ALTER TABLE daily_usage ADD COLUMN region text;\n"),
    "accounts": (
        "9001_add_labels.sql",
        "CREATE TABLE labels (account_id text PRIMARY KEY, label text NOT NULL);\n",
    ),
}


def next_version(folder: Path) -> Path:
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__", "tests")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored, symlinks=True)
    for service, (name, sql) in MIGRATIONS.items():
        (folder / "services" / service / "migrations" / name).write_text(sql)
    event = folder / "shared" / "contracts" / "gateway.py"
    before = event.read_text()
    event.write_text(before.replace("    sequence: int = Field(ge=1)\n", FIELD))
    assert event.read_text() != before
    return folder


def change_version(fleet: Fleet, process: str, code: Path) -> None:
    """SIGTERM, its grace, and a start by that code; returns when it is ready."""
    fleet.stack.live.supervisor.restart_as(process, lambda spec: replace(spec, folder=code))
    fleet.stack.live.supervisor.wait_ready(process)
    assert code_of(fleet, process) == code


def code_of(fleet: Fleet, process: str) -> Path:
    """Whose code the running process was started by."""
    return Path(os.readlink(f"/proc/{fleet.pid(process)}/cwd"))
