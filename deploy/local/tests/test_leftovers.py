"""After kill -9 of a supervisor nothing of it remains, and nothing else is touched."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.identity import Identity, find_identity, is_running
from deploy.local.leftovers import end_leftovers
from deploy.local.state import ProcessRecord, SystemRecord, find_state
from tests.support.trial_process import FOR_EVER, STUBBORN
from tests.support.wait_until import wait_until

ROOT = Path(__file__).parents[3]
SUPERVISOR = """
import sys
from pathlib import Path
from deploy.local.live import LiveSystem
from deploy.local.progress import Progress
from deploy.local.settings import load_settings
from deploy.local.system import System
from tests.support.trial_process import trial_process

folder = Path(sys.argv[1])
settings = load_settings({"LOCAL_DIR": str(folder)}, env_file=folder / "no-env")
with LiveSystem(System(settings, {}, {}), Progress()) as live:
    live.supervisor.start_stage("trial", [trial_process(folder, program) for program in sys.argv[2:]])
    (folder / "up").touch()
    while True:
        live.supervisor.watch()
"""


def run_supervisor(folder: Path, program: str) -> tuple[subprocess.Popen[bytes], SystemRecord]:
    process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(folder), program], cwd=ROOT)
    wait_until((folder / "up").exists, within_seconds=30)
    state = find_state(folder / "state.json")
    assert state is not None
    return process, state


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_children_end_with_a_killed_supervisor_by_themselves(tmp_path: Path) -> None:
    supervisor, state = run_supervisor(tmp_path, FOR_EVER)
    identity = state.processes[0].identity
    assert identity is not None
    assert is_running(identity)
    kill(supervisor)
    wait_until(lambda: not is_running(identity))


def test_a_child_that_did_not_end_is_found_and_ended(tmp_path: Path) -> None:
    supervisor, state = run_supervisor(tmp_path, STUBBORN)
    kill(supervisor)
    identity = state.processes[0].identity
    assert identity is not None
    assert is_running(identity)
    assert end_leftovers(state.processes, tmp_path, grace_seconds=0.2) == ["trial"]
    assert not is_running(identity)


def test_a_second_clean_up_finds_nothing(tmp_path: Path) -> None:
    supervisor, state = run_supervisor(tmp_path, STUBBORN)
    kill(supervisor)
    end_leftovers(state.processes, tmp_path, grace_seconds=0.2)
    assert end_leftovers(state.processes, tmp_path, grace_seconds=0.2) == []


def test_the_children_of_a_dead_child_are_ended_too(tmp_path: Path) -> None:
    parent = (
        "import subprocess; subprocess.Popen(['sh', '-c', 'trap : TERM; sleep 600; sleep 600']); " + STUBBORN
    )
    supervisor, state = run_supervisor(tmp_path, parent)
    identity = state.processes[0].identity
    assert identity is not None
    kill(supervisor)
    subprocess.run(["kill", "-9", str(identity.pid)], check=True)
    wait_until(lambda: not is_running(identity))
    assert end_leftovers(state.processes, tmp_path, grace_seconds=0.2) == ["trial"]


@pytest.fixture
def foreign() -> Iterator[Identity]:
    """A process that got the number of one of ours."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        identity = find_identity(process.pid)
        assert identity is not None
        yield identity
        process.send_signal(signal.SIGKILL)


def test_a_foreign_process_with_the_recorded_number_is_left_alone(foreign: Identity, tmp_path: Path) -> None:
    recorded = replace(foreign, start_ticks=foreign.start_ticks - 100)
    record = ProcessRecord(name="redis", identity=recorded, port=None, healthy=True, restarts=0)
    assert end_leftovers((record,), tmp_path, grace_seconds=0.2) == []
    assert is_running(foreign)
