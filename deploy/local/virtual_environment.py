"""The virtual environment `.venv`: made once, brought up to date only when a lock file changed.

`.venv/installed.json` remembers the digest of each lock file that was installed from."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from deploy.local.packages import run_logged
from deploy.local.progress import Progress

STAMP = "installed.json"


def bring_up_to_date(root: Path, locks: list[str], progress: Progress, *, folder: Path | None = None) -> None:
    """`locks` are names of files in requirements/. What is installed beside them stays. `folder`: another
    environment than `.venv`."""
    folder = folder or root / ".venv"
    wanted = {name: digest_of(root / "requirements" / f"{name}.lock") for name in locks}
    missing = [name for name, digest in wanted.items() if _installed(folder).get(name) != digest]
    python = folder / "bin" / "python"
    if not missing and python.exists():  # a link: it breaks when the Python it was made from goes
        return
    if not _has_pip(python):
        with progress.step("virtual environment"):
            run_logged([sys.executable, "-m", "venv", "--clear", str(folder)], progress)
    files = [f"--requirement={root / 'requirements' / name}.lock" for name in locks]
    progress.say(
        f"Installing Python packages into {folder}, from {', '.join(f'{name}.lock' for name in locks)}"
    )
    with progress.step("Python packages"):
        pip = [str(python), "-m", "pip", "install", "--require-hashes", "--no-deps"]
        run_logged([*pip, "--disable-pip-version-check", "--no-input", *files], progress)
    (folder / STAMP).write_text(json.dumps({**_installed(folder), **wanted}, indent=2))


def digest_of(lock: Path) -> str:
    return sha256(lock.read_bytes()).hexdigest()


def _installed(folder: Path) -> dict[str, str]:
    try:
        read: dict[str, str] = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return read


def _has_pip(python: Path) -> bool:
    """False too where making the environment was cut off."""
    if not python.exists():
        return False
    return subprocess.run([python, "-c", "import pip"], capture_output=True, check=False).returncode == 0
