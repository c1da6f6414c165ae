"""The next run removes what a killed one left, and nothing of a run that goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.leftovers import has_ended, own_name, remove_left_folders

ROOT = Path(__file__).parents[3]
ANOTHER_RUN = """
import sys, time
from pathlib import Path
from tests.support.leftovers import own_folder, own_postgres
home, data = Path(sys.argv[1], "home"), Path(sys.argv[1], "elsewhere", "data")
home.mkdir()
data.mkdir(parents=True)
(home / "data-folder").write_text(str(data))
with own_folder() as folder, own_postgres(home):
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def another(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A run that has made its folder in `tmp_path`."""
    command = [sys.executable, "-c", ANOTHER_RUN, str(tmp_path)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_what_a_run_that_goes_on_has_made_stays_and_that_of_a_killed_one_goes(
    another: tuple[subprocess.Popen[str], Path], tmp_path: Path
) -> None:
    process, folder = another
    remove_left_folders(tmp_path)
    assert folder.exists()
    assert (tmp_path / "elsewhere").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    remove_left_folders(tmp_path)
    assert not folder.exists()
    assert not (tmp_path / "elsewhere").exists()


def test_what_has_no_owner_in_its_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "promptly-test-somebody").mkdir()
    remove_left_folders(tmp_path)
    assert (tmp_path / "promptly-test-somebody").exists()


def test_a_number_that_was_given_to_another_process_is_no_owner() -> None:
    pid, ticks, rest = own_name().split(".", 2)
    assert not has_ended(own_name())
    assert has_ended(f"{pid}.{int(ticks) + 1}.{rest}")
