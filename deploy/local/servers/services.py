"""The five services as processes: python -m services.<name>."""

import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local import probes
from deploy.local.processes import ProcessSpec

# accounts and metering first: the others ask them when they start to work.
SERVICES = ("accounts", "metering", "billing", "notifier", "gateway")


def prepare(root: Path, logs: Path, name: str, *, port: int, environment: Mapping[str, str]) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", f"services.{name}"),
        folder=root,
        log=logs / f"{name}.log",
        is_ready=lambda: probes.http_answers(port, "/ready"),
        missing=lambda: probes.missing_parts(port),
        port=port,
        environment={**environment, "LISTEN_HOST": "127.0.0.1", "LISTEN_PORT": str(port)},
        stop_seconds=30,  # a service lets running streams finish for 24 s
    )
