"""reconcile: the running billing compares its orders with the providers and the ledger. The exit code is its own."""

import os
import subprocess

from deploy.local.running import running_system
from deploy.local.settings import LocalSettings

BILLING = "billing"


def reconcile(settings: LocalSettings) -> int:
    """Raises LocalFailure when nothing runs."""
    system = running_system(settings)
    [billing] = [spec for spec in system.services(system.own_backing) if spec.name == BILLING]
    environment = {**os.environ, **billing.environment}
    command = [*billing.argv, "reconcile"]
    return subprocess.run(command, cwd=billing.folder, env=environment, check=False).returncode
