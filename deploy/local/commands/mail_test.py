"""mail-test: one mail to an address, over the mail server that this system's notifier is set to use."""

import json
import os
import subprocess

from deploy.local.failures import LocalFailure
from deploy.local.secrets import load_secrets
from deploy.local.settings import LocalSettings
from deploy.local.system import System

NOTIFIER = "notifier"


def mail_test(settings: LocalSettings, recipient: str) -> int:
    """Raises LocalFailure. The exit code is the notifier's."""
    if "@" not in recipient:
        raise LocalFailure("Give the address to write to: `make mail-test TO=you@example.com`.")
    ports_file = settings.local_dir / "ports.json"
    if not ports_file.exists():
        raise LocalFailure(f"There is no system in {settings.local_dir}: `make up` makes one.")
    ports = json.loads(
        ports_file.read_text(encoding="utf-8")
    )  # as chosen: those of a running system are taken
    secrets = load_secrets(settings.local_dir / "secrets.env", settings.given)
    system = System(settings, secrets, ports)
    [notifier] = [spec for spec in system.services(system.own_backing) if spec.name == NOTIFIER]
    environment = {**os.environ, **notifier.environment}
    return subprocess.run([*notifier.argv, "mail-test", recipient], env=environment, check=False).returncode
