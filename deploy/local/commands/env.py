"""env: writes .env from .env.template with fresh secrets, for docker compose and for a system of one's own.

With the name of a place (production, staging), also what is known of it: deploy/compose/<place>.env."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.env_file import read_env_file, write_private
from deploy.local.failures import LocalFailure
from deploy.local.secrets import fresh_secrets

PLACES = Path("deploy", "compose")
PROJECT = "COMPOSE_PROJECT_NAME"
NOT_IN_A_PROJECT_NAME = re.compile(r"[^a-z0-9_-]+")
SETTING = re.compile(r"^([A-Z][A-Z0-9_]*)=(\S*)")


def env(root: Path, place: str = "") -> int:
    """Raises LocalFailure rather than touch an .env that is there: its secrets open what exists."""
    path = root / ".env"
    if path.exists():
        raise LocalFailure(f"{path} is there already; its secrets are in use. Edit it, or move it away.")
    template = (root / ".env.template").read_text(encoding="utf-8")
    values = {PROJECT: project_name(root), **_known_of(root, place), **fresh_secrets()}
    write_private(path, filled(template, values))
    print(f"Wrote {path}, with fresh secrets. Now set BASE_URL and LLAMA_BASE_URL in it.", file=sys.stderr)
    return 0


def project_name(root: Path) -> str:
    """The folder's, as docker compose would have it: two checkouts on one host are two systems."""
    return NOT_IN_A_PROJECT_NAME.sub("", root.resolve().name.lower()).lstrip("_-") or "promptly"


def _known_of(root: Path, place: str) -> dict[str, str]:
    if not place:
        return {}
    there = {path.stem: path for path in (root / PLACES).glob("?*.env")}
    if place not in there:
        raise LocalFailure(
            f"{place!r} is no place that is known: choose FOR from {', '.join(sorted(there))}."
        )
    return read_env_file(there[place])


def filled(template: str, secrets: Mapping[str, str]) -> str:
    """The template with these values in their places, comments and all."""
    return "".join(f"{_line(line, secrets)}\n" for line in template.splitlines())


def _line(line: str, secrets: Mapping[str, str]) -> str:
    found = SETTING.match(line)
    if found is None or found[1] not in secrets:
        return line
    rest = line[found.end() :].strip()
    return f"{found[1]}={secrets[found[1]]}" + (f"  {rest}" if rest else "")
