"""The smoke test tells a deployment that works from one that does not, by its rows and its exit code."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from deploy.local.settings import ROOT
from tests.support.broken_deployment import ADMIN_KEY, Deployment, deployed
from tests.support.stack import Stack

SCRIPT = ROOT / "scripts" / "smoke-test.py"
CHECKS = (
    *("health", "registration", "duplicate registration", "auth", "admin panel"),
    *(
        "inference, whole",
        "inference, streamed",
        "inference, /v1/responses",
        "metering",
        "rate limit",
        "cleanup",
    ),
)
ROW = re.compile(r"^(\w.{25})(ok|FAIL|left out)\s", re.MULTILINE)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Loaded into this process: its patience is then the test's."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("smoke_test", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr("smoke.site.PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr("smoke.site.POLL_SECONDS", 0.05)
    monkeypatch.setenv("ADMIN_KEY", ADMIN_KEY)
    monkeypatch.delenv("SMOKE_API_KEY", raising=False)
    return module


def results(table: str) -> dict[str, str]:
    return {name.strip(): result for name, result in ROW.findall(table)}


def run(script: ModuleType, deployment: Deployment, *options: str) -> int:
    code: int = script.main(["--url", deployment.url, *options])
    return code


def as_process(url: str, admin_key: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """With nothing of this environment, and a Python that has nothing installed (-I -S: no site-packages)."""
    command = (sys.executable, "-S", str(SCRIPT), "--url", url, *options)
    environment = {"PATH": os.environ["PATH"], "ADMIN_KEY": admin_key}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_a_system_that_works_passes_every_check(stack: Stack) -> None:
    done = as_process(stack.base_url, stack.admin_key, ["--verbose"])
    assert results(done.stdout) == dict.fromkeys(CHECKS, "ok"), done.stdout
    assert done.returncode == 0
    assert "All is well." in done.stdout
    assert "POST /v1/responses 200" in done.stderr
    assert stack.admin_key not in done.stdout + done.stderr
    assert not re.search(r"sk-\w{20}", done.stdout + done.stderr)


def test_where_nobody_answers_nothing_passes() -> None:
    done = as_process("http://127.0.0.1:9", "some-admin-key")
    assert done.returncode == 1
    assert "ok" not in results(done.stdout).values()
    assert "does not answer" in done.stdout


def test_the_stand_in_passes_as_it_is(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with deployed("") as deployment:
        assert run(script, deployment) == 0
        assert deployment.users == []
    assert results(capsys.readouterr().out) == dict.fromkeys(CHECKS, "ok")


@pytest.mark.parametrize(
    ("breaks", "fails"),
    [
        ("health", {"health"}),
        ("registration", {"registration"}),
        ("duplicate registration", {"duplicate registration"}),
        ("auth", {"auth"}),
        ("admin panel", {"admin panel"}),
        ("whole", {"inference, whole"}),
        ("streamed", {"inference, streamed"}),
        ("responses", {"inference, /v1/responses"}),
        ("metering", {"metering"}),
        ("ledger", {"metering"}),
        ("rate limit", {"rate limit"}),
        ("cleanup", {"cleanup"}),
    ],
)
def test_each_check_fails_when_its_part_is_broken(
    breaks: str, fails: set[str], script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with deployed(breaks) as deployment:
        options = () if breaks == "rate limit" else ("--skip-rate-limit",)
        assert run(script, deployment, *options) == 1
    told = capsys.readouterr().out
    assert fails <= {name for name, result in results(told).items() if result == "FAIL"}
    assert results(told)["health"] == ("FAIL" if breaks == "health" else "ok")


def test_a_user_that_could_not_be_deleted_is_named(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with deployed("cleanup") as deployment:
        run(script, deployment)
        [email] = deployment.users
    assert f"{email} was registered and is still there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("breaks", "setting"),
    [("limits", "REGISTRATION_ADDRESS_RATE_LIMIT"), ("networks", "ADMIN_ALLOWED_CIDRS")],
)
def test_what_an_operator_has_to_set_is_named(
    breaks: str, setting: str, script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with deployed(breaks) as deployment:
        assert run(script, deployment, "--skip-rate-limit") == 1
    told = capsys.readouterr().out
    assert setting in told
    assert ("is still there" in told) == (breaks == "networks")  # who was refused is not


def test_without_a_key_it_says_what_was_left_out(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """As against staging over plain HTTP: mails go elsewhere."""
    with deployed("mail") as deployment:
        assert run(script, deployment, "--skip-rate-limit") == 0
    told = capsys.readouterr().out
    left_out = {name for name, result in results(told).items() if result == "left out"}
    assert left_out == {name for name in CHECKS if name.startswith(("inference", "metering"))}
    assert "no key to call with: set SMOKE_API_KEY" in told
    assert "4 left out (see above)" in told
    assert "rate limit" not in results(told)


def test_a_given_key_is_used_there(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with deployed("mail") as deployment:
        monkeypatch.setenv("SMOKE_API_KEY", "sk-given")
        deployment.given_key = "sk-given"
        assert run(script, deployment) == 0
    assert results(capsys.readouterr().out)["metering"] == "ok"


def test_the_admin_key_is_found_in_env(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# a comment\nADMIN_KEY='from-the-file'\nOTHER=1\n")
    assert script.admin_key_of(tmp_path / ".env") == "from-the-file"


def test_the_admin_key_is_found_where_secrets_were_moved_to(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "ADMIN_KEY").write_text("moved\n")
    assert script.admin_key_of(tmp_path / ".env") == "moved"


def test_no_admin_key_is_none(script: ModuleType, tmp_path: Path) -> None:
    assert script.admin_key_of(tmp_path / ".env") == ""


def test_its_defaults_are_those_of_staging(script: ModuleType) -> None:
    assert script.read([]).url == "http://100.64.0.1:8505"
    with pytest.raises(SystemExit) as stop:
        script.read(["--url", "staging"])
    assert stop.value.code == 2
