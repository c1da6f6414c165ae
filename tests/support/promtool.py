"""Prometheus's own tool, from this machine or from Prometheus's image."""

import shutil
import subprocess
from pathlib import Path

IMAGE = "prom/prometheus:v2.53.3"
MISSING = "promtool is needed to check the alerts: start docker, or install it (Debian: apt-get install prometheus)."


def promtool(folder: Path, *words: str) -> str:
    """What it says of files in `folder`, which are named relative to it. Raises AssertionError when it refuses them."""
    done = subprocess.run(
        [*_command(folder), *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _command(folder: Path) -> list[str]:
    if here := shutil.which("promtool"):
        return [here]
    assert shutil.which("docker"), MISSING
    shared = ["--volume", f"{folder}:/checked:ro", "--workdir", "/checked"]
    return ["docker", "run", "--rm", "--network", "none", *shared, "--entrypoint", "promtool", IMAGE]
