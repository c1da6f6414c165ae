"""Installs what `make` needs: python -m deploy.local.install run|compose|model|test|check. Says what before it does.

Runs on the system's bare python3, before there is a virtual environment: standard library only."""

import ctypes
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local import outside_clients, packages, virtual_environment
from deploy.local.env_file import read_env_file
from deploy.local.failures import LocalFailure
from deploy.local.programs import PACKAGES, find_program, list_missing_servers
from deploy.local.progress import Progress

ROOT = Path(__file__).parents[2]
OLDEST_PYTHON = (3, 11)
# llama.cpp's threads; the Python package that brings it does not bring this.
MODEL_PACKAGES = ("libgomp1",)


def main(purpose: str, environment: Mapping[str, str]) -> None:
    """Silent when nothing is missing. Progress goes to standard error, for `make key` prints only a key."""
    _check_python()
    progress = Progress(sys.stderr)
    locks = locks_for(purpose, environment)
    wanted = [*_system_packages(purpose), *(MODEL_PACKAGES if "model" in locks and not _has_openmp() else ())]
    if wanted:
        packages.install(wanted, progress)
    virtual_environment.bring_up_to_date(ROOT, locks, progress)
    if purpose == "test":
        outside_clients.install(ROOT, progress)


def _check_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        found = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise LocalFailure(
            f"Python 3.11 or newer is needed and this is {found}: set PYTHON=python3.11 or newer."
        )


def _system_packages(purpose: str) -> list[str]:
    wanted = [] if _can_make_environments() else ["python3-venv"]
    if purpose in ("run", "test"):
        wanted += [PACKAGES[server] for server in list_missing_servers()]
    if purpose == "test" and not (find_program("chromium") or find_program("google-chrome")):
        wanted.append("chromium")
    if purpose == "test" and not find_program("curl"):
        wanted.append("curl")
    return wanted


def _has_openmp() -> bool:
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return False
    return True


def _can_make_environments() -> bool:
    if (ROOT / ".venv" / "bin" / "python").exists():
        return True
    return all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))


def locks_for(purpose: str, environment: Mapping[str, str]) -> list[str]:
    if purpose == "check":
        return ["dev"]
    if purpose == "test":
        return ["dev", "model"]
    if purpose == "model":
        return ["model"]
    if purpose == "compose":  # servers and model are in containers, or elsewhere
        return ["run"]
    llama = environment.get("LLAMA_BASE_URL") or read_env_file(ROOT / ".env").get("LLAMA_BASE_URL")
    return ["run"] if llama else ["run", "model"]


if __name__ == "__main__":
    try:
        main(sys.argv[1], os.environ)
    except LocalFailure as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        sys.exit("Interrupted; the next start goes on from here.")
