"""The folder of a system: one supervisor at a time, requests, logs, room on the disk."""

from pathlib import Path

import pytest

from deploy.local import folder
from deploy.local.failures import LocalFailure


def test_a_second_supervisor_is_told_of_the_first(tmp_path: Path) -> None:
    with (
        folder.held(tmp_path),
        pytest.raises(LocalFailure, match="already runs"),
        folder.held(tmp_path),
    ):
        pass


def test_the_folder_is_free_again_after_its_supervisor(tmp_path: Path) -> None:
    for _ in range(2):
        with folder.held(tmp_path):
            pass


def test_a_request_is_given_out_once(tmp_path: Path) -> None:
    folder.ask_restart(tmp_path, "gateway")
    assert folder.take_requests(tmp_path) == ["gateway"]
    assert folder.take_requests(tmp_path) == []


def test_each_start_has_logs_of_its_own_and_those_before_are_kept(tmp_path: Path) -> None:
    (tmp_path / "redis.log").write_text("first start")
    folder.keep_previous_logs(tmp_path)
    assert not (tmp_path / "redis.log").exists()
    assert (tmp_path / "redis.log.1").read_text() == "first start"


def test_too_little_room_is_said_with_figures(tmp_path: Path) -> None:
    with pytest.raises(LocalFailure, match="MB are needed: free some disk space"):
        folder.check_room(tmp_path, needed_bytes=2**62)


def test_a_folder_that_cannot_be_made_is_said_with_the_remedy() -> None:
    with pytest.raises(LocalFailure, match="set LOCAL_DIR to another folder"):
        folder.make_folder(Path("/proc/no-folder-can-be-here"))


def test_a_failure_with_room_on_the_disk_keeps_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(LocalFailure, match=r"^nginx refuses"), folder.disk_full_explained(tmp_path):
        raise LocalFailure("nginx refuses")
