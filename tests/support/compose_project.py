"""A checkout of its own with its .env, and docker compose in it: what an operator has in /opt.

Nothing of this process's environment reaches compose but the way to the engine."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.commands.env import env
from deploy.local.env_file import read_env_file
from deploy.local.settings import ROOT

NEEDED = (
    "Dockerfile",
    ".dockerignore",
    "compose.yaml",
    ".env.template",
    "deploy",
    "requirements",
    "services",
    "shared",
)
SERVICES = ("gateway", "accounts", "metering", "billing", "notifier")
PASSED_ON = re.compile(r"^(PATH|HOME|LANG|DOCKER_.*|BUILDKIT_.*)$")
GET = """
import sys, urllib.error, urllib.request
try: print(urllib.request.urlopen('http://127.0.0.1:8000' + sys.argv[1], timeout=5).read().decode())
except urllib.error.HTTPError as refused: print(refused.read().decode())
except OSError as error: print(error)
"""
STARTED_WITHIN_SECONDS = 900
"""With images to build on a busy machine; seconds when they are there."""


@dataclass(frozen=True, slots=True)
class ComposeProject:
    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        return read_env_file(self.folder / ".env")

    @property
    def name(self) -> str:
        return self.settings["COMPOSE_PROJECT_NAME"]

    def compose(self, *arguments: str, **environment: str) -> str:
        """Raises AssertionError with what was said."""
        passed = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
        done = subprocess.run(
            ["docker", "compose", "--progress", "plain", *arguments],
            cwd=self.folder,
            env={**passed, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=STARTED_WITHIN_SECONDS,
        )
        assert done.returncode == 0, f"docker compose {' '.join(arguments)}: {done.stderr[-3000:]}"
        return done.stdout

    def run_in(self, service: str, *argv: str) -> str:
        return self.compose("exec", "-T", service, *argv)

    def run_in_part(self, part: str, *argv: str) -> str:
        """Where only that part was started."""
        return self.compose("-f", f"deploy/compose/{part}.yml", "exec", "-T", part, *argv)

    def get(self, service: str, path: str) -> str:
        """What it answers inside its container; nothing of this is published."""
        return self.run_in_part(service, "python3", "-c", GET, path)

    def is_ready(self) -> bool:
        return all('"ready"' in self.get(service, "/ready") for service in SERVICES)

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """As `docker inspect` has them, also those that ended."""
        ids = self.compose("ps", "--all", "--quiet", *([service] if service else [])).split()
        return inspect(*ids) if ids else []

    def mails(self) -> str:
        return self.run_in("notifier", "sh", "-c", "cat /mails/*.eml")

    def end(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "10")


def check_out(folder: Path, place: str, settings: Mapping[str, str]) -> ComposeProject:
    """This tree's files, and an .env as `make env FOR=place` writes it, with `settings` over it."""
    for name in NEEDED:
        _copy(ROOT / name, folder / name)
    env(folder, place)
    with (folder / ".env").open("a") as written:
        written.writelines(f"{name}={value}\n" for name, value in settings.items())
    return ComposeProject(folder)


def inspect(*ids: str) -> list[dict[str, Any]]:
    said = subprocess.run(["docker", "inspect", *ids], capture_output=True, check=True).stdout
    inspected: list[dict[str, Any]] = json.loads(said)
    return inspected


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    else:
        shutil.copyfile(source, target)
