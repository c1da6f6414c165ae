"""Children: started, found ready, stopped; what goes wrong is one sentence with the last line of the log."""

import signal
from pathlib import Path

import pytest

from deploy.local import processes
from deploy.local.failures import LocalFailure
from deploy.local.identity import list_session
from tests.support.trial_process import FOR_EVER, READY, STUBBORN, trial_process
from tests.support.wait_until import wait_until


def test_a_child_is_ready_when_its_probe_says_so(tmp_path: Path) -> None:
    child = processes.start(trial_process(tmp_path, FOR_EVER), marker=tmp_path)
    processes.wait_ready(child)
    child.stop()
    assert child.exit_code() == -signal.SIGTERM


def test_a_child_that_ends_at_its_start_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = processes.start(
        trial_process(tmp_path, "import sys; sys.exit('PORT is wrong.')"), marker=tmp_path
    )
    with pytest.raises(LocalFailure, match=r"trial ended at its start \(exit code 1\).*PORT is wrong\."):
        processes.wait_ready(child)


def test_a_silent_child_is_given_up_after_its_time(tmp_path: Path) -> None:
    child = processes.start(
        trial_process(tmp_path, "import time; time.sleep(60)", start_seconds=0.2), marker=tmp_path
    )
    with pytest.raises(LocalFailure, match="not ready after"):
        processes.wait_ready(child)
    child.stop()


def test_a_child_that_will_not_stop_is_killed_with_its_own_children(tmp_path: Path) -> None:
    stubborn = "import subprocess; subprocess.Popen(['sleep', '60']); " + STUBBORN
    child = processes.start(trial_process(tmp_path, stubborn, stop_seconds=0.2), marker=tmp_path)
    processes.wait_ready(child)
    assert len(list_session(child.pid, folder=str(tmp_path))) == 2
    child.stop()
    wait_until(lambda: list_session(child.pid, folder=str(tmp_path)) == [])


def test_a_child_sees_only_the_environment_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "of another service")
    program = "import os; print(sorted(os.environ)); " + READY
    child = processes.start(
        trial_process(tmp_path, program, environment={"LISTEN_PORT": "1"}), marker=tmp_path
    )
    wait_until(lambda: child.exit_code() is not None)
    seen = (tmp_path / "trial.log").read_text()
    assert "LISTEN_PORT" in seen
    assert "STRIPE_SECRET_KEY" not in seen
