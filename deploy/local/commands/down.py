"""down: stops the system in this folder, or ends what a killed one left."""

import os
import signal
import time

from deploy.local import folder
from deploy.local.identity import is_running
from deploy.local.leftovers import end_leftovers
from deploy.local.progress import Progress
from deploy.local.settings import LocalSettings
from deploy.local.state import SystemRecord, find_state

POLL_SECONDS = 0.1


def down(settings: LocalSettings) -> int:
    progress = Progress()
    state_path = settings.local_dir / folder.STATE
    state = find_state(state_path)
    if state is None:
        progress.say(f"Nothing runs in {settings.local_dir}.")
        return 0
    if is_running(state.supervisor):
        _stop(state, progress)
    names = end_leftovers(state.processes, settings.local_dir)
    if names:
        progress.say(f"Ended what an earlier run left: {', '.join(names)}")
    state_path.unlink(missing_ok=True)
    return 0


def _stop(state: SystemRecord, progress: Progress) -> None:
    """The supervisor bounds every stop by itself, so this wait needs no bound of its own."""
    with progress.step("stopped"):
        os.kill(state.supervisor.pid, signal.SIGTERM)
        while is_running(state.supervisor):
            progress.tick()
            time.sleep(POLL_SECONDS)
