"""The installation: what it wants, what it says, and that a bare python3 can run it."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import install, packages
from deploy.local.failures import LocalFailure
from deploy.local.programs import list_missing_servers
from deploy.local.progress import Progress
from deploy.local.settings import ROOT
from deploy.local.virtual_environment import STAMP, bring_up_to_date


def test_it_runs_on_the_standard_library_alone() -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import deploy.local.install"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)


def test_every_server_is_here_or_named() -> None:
    assert list_missing_servers() == []


def test_someone_without_rights_is_told_the_one_command() -> None:
    said = packages.refusal(["nginx", "redis-server"], has_apt=True, is_root=False)
    assert said is not None
    assert "`sudo apt-get install -y nginx redis-server`" in said


def test_a_system_without_apt_is_told_what_to_install() -> None:
    said = packages.refusal(["nginx"], has_apt=False, is_root=True)
    assert said is not None
    assert "nginx" in said


def test_root_with_apt_goes_on() -> None:
    assert packages.refusal(["nginx"], has_apt=True, is_root=True) is None


def test_the_model_is_installed_only_where_no_other_is_given() -> None:
    assert "model" in install.locks_for("run", {})
    assert "model" in install.locks_for("model", {"LLAMA_BASE_URL": "http://127.0.0.1:1"})
    assert "model" not in install.locks_for("run", {"LLAMA_BASE_URL": "http://127.0.0.1:1"})


def test_a_failed_installation_ends_with_the_error_itself(tmp_path: Path) -> None:
    program = "echo Reading; echo 'E: Unable to locate package nginx'; echo done; exit 100"
    with pytest.raises(LocalFailure, match="E: Unable to locate package nginx"):
        packages.run_logged(["sh", "-c", program], Progress(io.StringIO()), tmp_path / "log")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose lock file asks for nothing, with its environment made."""
    root = tmp_path_factory.mktemp("project")
    (root / "requirements").mkdir()
    (root / "requirements" / "run.lock").write_text("# nothing\n")
    assert "virtual environment" in installed(root)
    return root


def test_what_is_up_to_date_is_left_alone_without_a_word(project: Path) -> None:
    assert installed(project) == ""


def test_another_lock_is_installed_into_the_same_environment(project: Path) -> None:
    with (project / "requirements" / "run.lock").open("a") as lock:
        lock.write("# nothing more\n")
    said = installed(project)
    assert "Installing Python packages" in said
    assert "virtual environment" not in said


def test_an_installation_that_was_cut_off_is_finished(project: Path) -> None:
    (project / ".venv" / STAMP).unlink()
    assert "Installing Python packages" in installed(project)


def test_a_broken_environment_is_made_anew(project: Path) -> None:
    (project / ".venv" / "bin" / "python").unlink()
    assert "virtual environment" in installed(project)


def installed(project: Path) -> str:
    """What was said while it was brought up to date."""
    said = io.StringIO()
    bring_up_to_date(project, ["run"], Progress(said))
    return said.getvalue()
