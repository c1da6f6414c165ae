"""`pip install .[service]` in a fresh environment installs what that service needs, and no more."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
BUILD_TIMEOUT_SECONDS = 180
FOREIGN = {
    "gateway": ("asyncpg", "jinja2", "nacl", "aiosmtplib", "stripe"),
    "accounts": ("aiosmtplib", "stripe"),
    "metering": ("jinja2", "aiosmtplib", "stripe"),
    "billing": ("nacl", "aiosmtplib", "redis"),
    "notifier": ("redis", "stripe", "httpx"),
}
"""Import names of what others need and this service must not carry."""
IMPORTS = (
    "import importlib.util as u, services.{service}.app; print(*[n for n in {foreign} if u.find_spec(n)])"
)


def run(*command: str | Path, cwd: Path) -> str:
    return subprocess.run(
        command, cwd=cwd, check=True, capture_output=True, text=True, timeout=BUILD_TIMEOUT_SECONDS
    ).stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(UV, "--system-certs", "build", "-q", "--wheel", "-o", folder, ROOT, cwd=ROOT)
    return next(folder.glob("*.whl"))


@pytest.mark.parametrize("service", FOREIGN)
def test_an_extra_is_enough_for_its_service_and_no_more(service: str, wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    run(UV, "venv", "-q", "--python", sys.executable, tmp_path / "venv", cwd=tmp_path)
    requirement = f"promptly[{service}] @ {wheel.as_uri()}"
    lock = ROOT / "requirements" / "run.lock"
    run(
        UV,
        "--system-certs",
        "pip",
        "install",
        "-q",
        "--python",
        python,
        "-c",
        lock,
        requirement,
        cwd=tmp_path,
    )
    assert (
        run(python, "-c", IMPORTS.format(service=service, foreign=FOREIGN[service]), cwd=tmp_path).strip()
        == ""
    )
