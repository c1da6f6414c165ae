"""The supervisor over real processes: stages, crashes, restarts, the way down."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.failures import LocalFailure
from deploy.local.identity import Identity, is_running
from deploy.local.progress import Progress
from deploy.local.supervisor import Supervisor
from tests.support.trial_process import FOR_EVER, READY, trial_process
from tests.support.wait_until import wait_until


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(tmp_path: Path, said: io.StringIO) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, Progress(said), on_change=lambda: None)
    yield made
    made.stop()


def identity_of(supervisor: Supervisor, name: str) -> Identity:
    found = next(each.identity for each in supervisor.records() if each.name == name)
    assert found is not None
    return found


def test_a_stage_is_over_when_all_of_it_is_ready(
    supervisor: Supervisor, tmp_path: Path, said: io.StringIO
) -> None:
    supervisor.start_stage("trial", [trial_process(tmp_path, FOR_EVER, name) for name in ("one", "two")])
    assert [(each.name, each.healthy) for each in supervisor.records()] == [("one", True), ("two", True)]
    assert "trial" in said.getvalue()


def test_a_failed_start_leaves_nothing_running(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start_stage("first", [trial_process(tmp_path, FOR_EVER, "one")])
    one = identity_of(supervisor, "one")
    with pytest.raises(LocalFailure, match="two ended at its start"):
        supervisor.start_stage("second", [trial_process(tmp_path, "raise SystemExit('no')", "two")])
    supervisor.stop()
    assert not is_running(one)
    assert supervisor.records() == ()


def test_a_crashed_process_comes_back_and_is_counted(
    supervisor: Supervisor, tmp_path: Path, said: io.StringIO
) -> None:
    supervisor.start_stage("trial", [trial_process(tmp_path, FOR_EVER)])
    before = identity_of(supervisor, "trial")
    supervisor.kill("trial")

    def is_back() -> bool:
        supervisor.watch()
        record = supervisor.records()[0]
        return record.identity not in (None, before) and record.restarts == 1

    wait_until(is_back)
    assert "trial ended (exit code -9)" in said.getvalue()


def test_a_process_that_crashes_for_ever_shows_as_not_running(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start_stage("trial", [trial_process(tmp_path, READY + "time.sleep(0.3)")])

    def waits_to_restart() -> bool:
        supervisor.watch()
        return supervisor.records()[0].identity is None

    wait_until(waits_to_restart)
    assert not supervisor.records()[0].healthy


def test_a_wanted_restart_is_no_crash(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start_stage("trial", [trial_process(tmp_path, FOR_EVER)])
    before = identity_of(supervisor, "trial")
    supervisor.restart("trial")
    supervisor.wait_ready("trial")
    assert identity_of(supervisor, "trial") != before
    assert supervisor.records()[0].restarts == 0


def test_the_last_stage_stops_first(supervisor: Supervisor, tmp_path: Path) -> None:
    says_when = (
        "import signal, pathlib; signal.signal(signal.SIGTERM, "
        "lambda *_: (open('order', 'a').write('{name} '), exit(0))); "
    )
    for name in ("server", "service", "edge"):
        supervisor.start_stage(name, [trial_process(tmp_path, says_when + FOR_EVER, name)])
    supervisor.stop()
    assert (tmp_path / "order").read_text().split() == ["edge", "service", "server"]


def test_an_unknown_name_is_answered_with_the_known_ones(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start_stage("trial", [trial_process(tmp_path, FOR_EVER)])
    with pytest.raises(LocalFailure, match="'gatewy' is no process of this system: it has trial"):
        supervisor.restart("gatewy")
