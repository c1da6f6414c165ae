"""The mailbox as a process (deploy/local/mailbox.py)."""

import sys
from pathlib import Path

from deploy.local import probes
from deploy.local.processes import ProcessSpec


def prepare(
    root: Path, logs: Path, *, mails: Path, smtp_port: int, http_port: int, base_url: str
) -> ProcessSpec:
    ports = ("--smtp-port", str(smtp_port), "--http-port", str(http_port))
    return ProcessSpec(
        name="mailbox",
        argv=(sys.executable, "-m", "deploy.local.mailbox", str(mails), *ports),
        folder=root,
        log=logs / "mailbox.log",
        is_ready=lambda: probes.http_answers(http_port, "/local/mail") and probes.accepts(smtp_port),
        port=http_port,
        environment={"LOCAL_FAKES": "1", "BASE_URL": base_url},
    )
