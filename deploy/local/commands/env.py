"""env: writes .env from .env.template with fresh secrets, for docker compose and for a system of one's own."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.env_file import write_private
from deploy.local.failures import LocalFailure
from deploy.local.secrets import fresh_secrets

SETTING = re.compile(r"^([A-Z][A-Z0-9_]*)=(\S*)")


def env(root: Path) -> int:
    """Raises LocalFailure rather than touch an .env that is there: its secrets open what exists."""
    path = root / ".env"
    if path.exists():
        raise LocalFailure(f"{path} is there already; its secrets are in use. Edit it, or move it away.")
    template = (root / ".env.template").read_text(encoding="utf-8")
    write_private(path, filled(template, fresh_secrets()))
    print(f"Wrote {path}, with fresh secrets. Now set BASE_URL and LLAMA_BASE_URL in it.", file=sys.stderr)
    return 0


def filled(template: str, secrets: Mapping[str, str]) -> str:
    """The template with these values in their places, comments and all."""
    return "".join(f"{_line(line, secrets)}\n" for line in template.splitlines())


def _line(line: str, secrets: Mapping[str, str]) -> str:
    found = SETTING.match(line)
    if found is None or found[1] not in secrets:
        return line
    rest = line[found.end() :].strip()
    return f"{found[1]}={secrets[found[1]]}" + (f"  {rest}" if rest else "")
