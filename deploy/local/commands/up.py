"""up: the same system in the background. Shows its progress and returns when it is ready, or has failed."""

import subprocess
import sys
import time
from pathlib import Path

from deploy.local import folder
from deploy.local.identity import is_running
from deploy.local.settings import LocalSettings
from deploy.local.state import Phase, find_state

POLL_SECONDS = 0.1
OUTPUT = "supervisor.out"


def up(settings: LocalSettings) -> int:
    folder.make_folder(settings.local_dir)
    state = find_state(settings.local_dir / folder.STATE)
    if state and is_running(state.supervisor):
        print(f"Already up: {state.base_url}")
        return 0
    return _follow(settings, settings.local_dir / OUTPUT)


def _follow(settings: LocalSettings, output: Path) -> int:
    with output.open("w") as written, output.open() as read:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "run", "in-background"],
            cwd=settings.root,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while (code := supervisor.poll()) is None and not _is_ready(settings, supervisor.pid):
                sys.stdout.write(read.read())
                sys.stdout.flush()
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            supervisor.terminate()
            code = supervisor.wait()
        sys.stdout.write(read.read())
    return code or 0


def _is_ready(settings: LocalSettings, pid: int) -> bool:
    state = find_state(settings.local_dir / folder.STATE)
    return state is not None and state.supervisor.pid == pid and state.phase is Phase.READY
