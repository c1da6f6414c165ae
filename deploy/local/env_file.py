"""NAME=value files (.env, .env.template, secrets.env). Standard library only."""

import re
from pathlib import Path

from deploy.local.failures import LocalFailure

LINE = re.compile(r"^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$")


def read_env_file(path: Path) -> dict[str, str]:
    """Empty when there is no such file. Raises LocalFailure on a line that is neither setting nor comment."""
    if not path.exists():
        return {}
    settings: dict[str, str] = {}
    for number, raw in enumerate(path.read_text().splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if (match := LINE.match(line)) is None:
            raise LocalFailure(f"Line {number} of {path} is not NAME=value: mend it.")
        settings[match[1]] = _value(match[2])
    return settings


def write_secret_file(path: Path, settings: dict[str, str]) -> None:
    write_private(path, "".join(f"{name}={value}\n" for name, value in settings.items()))


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.rename(path)


def _value(text: str) -> str:
    """Without quotes around it, and without a comment that follows a space."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return "" if text.startswith("#") else re.split(r"\s+#", text, maxsplit=1)[0]
