"""A fault point kills whoever comes there first, once, and only where it was told to."""

import signal
import subprocess
import sys
from pathlib import Path

from shared.faults import Point

COMES_THERE_TWICE = (
    "from shared import faults; faults.reached('settled'); faults.reached('settled'); print('alive')"
)


def run(folder: Path | None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "", "PYTHONPATH": str(Path(__file__).parents[2])}
    told = environment if folder is None else {**environment, "FAULT_POINTS": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", COMES_THERE_TWICE], env=told, capture_output=True, text=True, check=False
    )


def order(folder: Path, point: Point) -> Path:
    (folder / point).touch()
    return folder / point


def test_a_point_that_was_ordered_is_deadly_once(tmp_path: Path) -> None:
    ordered = order(tmp_path, "settled")
    assert run(tmp_path).returncode == -signal.SIGKILL
    assert not ordered.exists()
    assert run(tmp_path).stdout == "alive\n"


def test_other_points_are_passed(tmp_path: Path) -> None:
    ordered = order(tmp_path, "published")
    assert run(tmp_path).stdout == "alive\n"
    assert ordered.exists()


def test_without_the_setting_no_point_does_anything(tmp_path: Path) -> None:
    order(tmp_path, "settled")
    assert run(None).stdout == "alive\n"
