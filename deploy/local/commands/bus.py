"""parked and replay: `python -m shared.bus` against the running system's own broker; STACK=compose: in a container."""

import json
import os
import subprocess
import sys

from deploy.local import folder
from deploy.local.env_file import read_env_file
from deploy.local.failures import LocalFailure
from deploy.local.identity import is_running
from deploy.local.servers import rabbitmq
from deploy.local.settings import LocalSettings
from deploy.local.state import find_state

COMPOSED = ("docker", "compose", "exec", "-T", "metering", "python3")
"""A service that knows the broker; any that consumes would do."""


def bus(settings: LocalSettings, *arguments: str) -> int:
    words = ("-m", "shared.bus", *arguments)
    if os.environ.get("STACK") == "compose":
        return subprocess.run([*COMPOSED, *words], cwd=settings.root, check=False).returncode
    environment = {**os.environ, "AMQP_URL": _broker_url(settings)}
    return subprocess.run([sys.executable, *words], env=environment, check=False).returncode


def _broker_url(settings: LocalSettings) -> str:
    """Raises LocalFailure when nothing runs."""
    state = find_state(settings.local_dir / folder.STATE)
    if state is None or not is_running(state.supervisor):
        raise LocalFailure(f"Nothing runs in {settings.local_dir}: `make up` starts it.")
    port = json.loads((settings.local_dir / "ports.json").read_text(encoding="utf-8"))["amqp"]
    password = read_env_file(settings.local_dir / "secrets.env")["RABBITMQ_PASSWORD"]
    return rabbitmq.url(port, password)
