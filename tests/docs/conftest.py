"""One system, started and stopped by the commands that the documents name, with the real small model."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.env_file import read_env_file
from deploy.local.outside_clients import install, node_program
from deploy.local.ports import free_port
from deploy.local.progress import Progress
from deploy.local.servers.postgres import url
from tests.docs.blocks import ROOT

NOT_OURS = frozenset({".git", ".local", ".env"})
"""What a reader's checkout has of its own."""
KEPT = ("PATH", "HOME", "LANG")


@dataclass(frozen=True, slots=True)
class Documented:
    """`checkout` has this project's files; `environment` says where its system is, and holds a key."""

    checkout: Path
    base_url: str
    environment: Mapping[str, str]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So that what a document writes does not land among this project's files."""
    folder = tmp_path_factory.mktemp("checkout")
    for entry in ROOT.iterdir():
        if entry.name not in NOT_OURS:
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture(scope="session")
def documented(checkout: Path) -> Iterator[Documented]:
    install(ROOT, Progress())
    port = str(free_port())
    given = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment = {**given, "PORT": port, "LOCAL_DIR": str(checkout / ".local")}
    _make(checkout, environment, "up")
    try:
        known = {"PROMPTLY_API_KEY": _make(checkout, environment, "-s", "key", "EMAIL=reader@example.com")}
        known["OPERATOR_URL"] = _operator_url(checkout / ".local")
        known["ADMIN_KEY"] = read_env_file(checkout / ".local" / "secrets.env")["ADMIN_KEY"]
        known["PATH"] = f"{node_program(ROOT).parent}:{environment['PATH']}"
        yield Documented(checkout, f"http://127.0.0.1:{port}", environment | known)
    finally:
        _make(checkout, environment, "down")


def _make(checkout: Path, environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        ["make", *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def _operator_url(local_dir: Path) -> str:
    processes = json.loads((local_dir / "state.json").read_text())["processes"]
    (port,) = (each["port"] for each in processes if each["name"] == "postgres")
    return url(port, read_env_file(local_dir / "secrets.env")["POSTGRES_PASSWORD"])
