"""The system that runs in a folder, as it was started: with its ports and secrets, for commands that look into it."""

import json

from deploy.local import folder
from deploy.local.failures import LocalFailure
from deploy.local.identity import is_running
from deploy.local.secrets import load_secrets
from deploy.local.settings import LocalSettings
from deploy.local.state import find_state
from deploy.local.system import System


def runs(settings: LocalSettings) -> bool:
    state = find_state(settings.local_dir / folder.STATE)
    return state is not None and is_running(state.supervisor)


def running_system(settings: LocalSettings) -> System:
    """Raises LocalFailure when nothing runs."""
    if not runs(settings):
        raise LocalFailure(f"Nothing runs in {settings.local_dir}: `make up` starts it.")
    ports = json.loads((settings.local_dir / "ports.json").read_text(encoding="utf-8"))
    return System(settings, load_secrets(settings.local_dir / "secrets.env", settings.given), ports)
