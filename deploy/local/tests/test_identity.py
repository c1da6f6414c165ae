"""A process is told by more than its number."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from deploy.local.identity import find_identity, is_running, list_session


def test_this_process_is_running() -> None:
    identity = find_identity(os.getpid())
    assert identity is not None
    assert is_running(identity)


def test_the_same_number_at_another_moment_is_another_process() -> None:
    identity = find_identity(os.getpid())
    assert identity is not None
    assert not is_running(replace(identity, start_ticks=identity.start_ticks - 1))


def test_the_same_number_after_a_reboot_is_another_process() -> None:
    identity = find_identity(os.getpid())
    assert identity is not None
    assert not is_running(replace(identity, boot="another"))


def test_a_process_that_ended_is_not_running_even_before_it_is_waited_for() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert find_identity(process.pid) is None
    process.wait()


def test_a_foreign_session_is_nobody_of_ours(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as foreign:
        assert list_session(foreign.pid, folder=str(tmp_path)) == []
        foreign.kill()
