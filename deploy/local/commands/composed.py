"""STACK=compose: the same commands for the system in containers, by the compose.yaml and the .env of the root."""

import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from deploy.local.commands.key import register
from deploy.local.failures import LocalFailure
from deploy.local.mailbox_page import list_mails
from deploy.local.progress import Progress
from deploy.local.settings import LocalSettings

COMPOSE = ("docker", "compose")
INSIDE = {"audit": "metering", "reconcile": "billing", "mail-test": "notifier"}
"""Which service does it, in a process of its own in that service's container."""
COMMANDS = frozenset({"up", "down", "status", "key", *INSIDE})
READY_WITHIN_SECONDS = 180.0
POLL_SECONDS = 0.5
STATUS_TIMEOUT_SECONDS = 5.0
MAILS = "notifier:/mails"


def is_composed(command: str, environment: Mapping[str, str]) -> bool:
    """Whether this command is for the containers, and done here."""
    return environment.get("STACK") == "compose" and command in COMMANDS


def composed(settings: LocalSettings, command: str, *arguments: str) -> int:
    """Raises LocalFailure with the remedy."""
    if not (settings.root / ".env").exists():
        raise LocalFailure("There is no .env yet: `make env` writes one with fresh secrets.")
    match command, arguments:
        case "up", ():
            return _up(settings)
        case "down", ():
            return _compose(settings, "down")
        case "status", ():
            columns = "table {{.Service}}\t{{.Status}}\t{{.Ports}}"
            return _compose(settings, "ps", "--all", "--format", columns) or _tell_model(settings)
        case "key", (email,):
            return _key(settings, email)
        case _ if service := INSIDE.get(command):
            module = f"services.{service}"
            return _compose(settings, "exec", "-T", service, "python3", "-m", module, command, *arguments)
    raise LocalFailure(f"STACK=compose knows {', '.join(sorted(COMMANDS))}.")


def _up(settings: LocalSettings) -> int:
    if "LLAMA_BASE_URL" not in settings.given:
        raise LocalFailure(
            "LLAMA_BASE_URL is not set: containers need a model server that they can reach "
            "(docs/operations/compose.md has a small one for this host)."
        )
    if code := _compose(settings, "up", "--build", "--detach", "--remove-orphans"):
        return code
    progress = Progress()
    with progress.step("edge and gateway"):
        _wait_for(settings, progress)
    progress.say(f"\nThe system is up: {settings.base_url}")
    return 0


def _wait_for(settings: LocalSettings, progress: Progress) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while not _answers(f"{settings.edge_url}/health"):
        if time.monotonic() > deadline:
            raise LocalFailure(
                f"{settings.edge_url}/health does not answer: see `make status STACK=compose`."
            )
        progress.tick()
        time.sleep(POLL_SECONDS)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=POLL_SECONDS).is_success
    except httpx.TransportError:
        return False


def _tell_model(settings: LocalSettings) -> int:
    """It is no container of ours. 1 while nobody would be answered."""
    try:
        is_up = bool(_ask_status(settings)["is_up"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        print(f"\n{settings.edge_url}/status does not answer: nothing is known of the model.")
        return 1
    if is_up:
        print("\nThe model answers.")
        return 0
    print("\nThe model does not answer at LLAMA_BASE_URL: docs/operations/runbook.md tells where to look.")
    return 1


def _ask_status(settings: LocalSettings) -> Any:
    url, wanted = f"{settings.edge_url}/status", {"accept": "application/json"}
    return httpx.get(url, headers=wanted, timeout=STATUS_TIMEOUT_SECONDS).raise_for_status().json()


def _key(settings: LocalSettings, email: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        print(register(settings.edge_url, email, lambda: _mails(settings, Path(folder))))
    return 0


def _mails(settings: LocalSettings, folder: Path) -> list[Path]:
    """A copy of the volume's: the host may not read it."""
    if _compose(settings, "cp", MAILS, str(folder), quiet=subprocess.DEVNULL):
        raise LocalFailure("The notifier does not run: `make up STACK=compose` starts the system.")
    return list_mails(folder / "mails")


def _compose(settings: LocalSettings, *arguments: str, quiet: int | None = None) -> int:
    try:
        return subprocess.run(
            [*COMPOSE, *arguments], cwd=settings.root, stdout=quiet, stderr=quiet, check=False
        ).returncode
    except FileNotFoundError as error:
        raise LocalFailure("docker is not installed here: STACK=compose needs it, with compose 2.") from error
