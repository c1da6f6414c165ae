"""audit: metering checks the books of the running system, in a process of its own. The exit code is the audit's."""

import os
import subprocess

from deploy.local.running import running_system
from deploy.local.settings import LocalSettings

METERING = "metering"


def audit(settings: LocalSettings) -> int:
    """Raises LocalFailure when nothing runs."""
    system = running_system(settings)
    [metering] = [spec for spec in system.services(system.own_backing) if spec.name == METERING]
    environment = {**os.environ, **metering.environment}
    return subprocess.run(
        [*metering.argv, "audit"], cwd=metering.folder, env=environment, check=False
    ).returncode
