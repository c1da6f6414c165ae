"""The small real model behind a real llama-server (deploy/local/model_server.py)."""

import sys
from pathlib import Path

from deploy.local import probes
from deploy.local.processes import ProcessSpec


def prepare(root: Path, logs: Path, *, port: int, api_key: str) -> ProcessSpec:
    return ProcessSpec(
        name="llama-server",
        argv=(sys.executable, "-m", "deploy.local.model_server", "--port", str(port)),
        folder=root,
        log=logs / "llama-server.log",
        is_ready=lambda: probes.http_answers(port, "/health"),
        port=port,
        environment={"LLAMA_API_KEY": api_key},
        start_seconds=120,
    )
