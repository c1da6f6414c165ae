"""reconcile: the running billing compares its orders with the providers and the ledger. The exit code is its own."""

import json
import os
import subprocess

from deploy.local import folder
from deploy.local.failures import LocalFailure
from deploy.local.identity import is_running
from deploy.local.secrets import load_secrets
from deploy.local.settings import LocalSettings
from deploy.local.state import find_state
from deploy.local.system import System

BILLING = "billing"


def reconcile(settings: LocalSettings) -> int:
    """Raises LocalFailure when nothing runs."""
    state = find_state(settings.local_dir / folder.STATE)
    if state is None or not is_running(state.supervisor):
        raise LocalFailure(f"Nothing runs in {settings.local_dir}: `make up` starts it.")
    ports = json.loads((settings.local_dir / "ports.json").read_text(encoding="utf-8"))
    secrets = load_secrets(settings.local_dir / "secrets.env", settings.given)
    system = System(settings, secrets, ports)
    [billing] = [spec for spec in system.services(system.own_backing) if spec.name == BILLING]
    environment = {**os.environ, **billing.environment}
    command = [*billing.argv, "reconcile"]
    return subprocess.run(command, cwd=billing.folder, env=environment, check=False).returncode
