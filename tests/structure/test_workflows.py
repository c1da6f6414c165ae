"""The workflows are what GitHub takes, and safe: pinned actions, least rights, no input in a script's text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
BIN = Path(sys.executable).parent
INJECTION = """
on: {workflow_dispatch: {inputs: {version: {type: string}}}}
permissions: {}
jobs:
  deploy:
    runs-on: ubuntu-24.04
    steps: [{run: "deploy ${{ inputs.version }}"}]
"""


def schema(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows"]
    command += map(str, paths)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def audit(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "zizmor"), "--offline", "--no-progress", f"--config={ROOT}/.github/zizmor.yml"]
    command += map(str, paths)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("GH_", "GITHUB_"))
    }
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def load(name: str) -> dict[str, dict[str, dict[str, object]]]:
    # YAML 1.1 reads the key `on` as true.
    text = (WORKFLOWS / name).read_text(encoding="utf-8").replace("\non:", "\n'on':")
    loaded: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(text)
    return loaded


def test_github_would_take_them() -> None:
    done = schema(*sorted(WORKFLOWS.glob("*.yml")))
    assert done.returncode == 0, done.stdout


def test_an_audit_finds_nothing_in_them() -> None:
    done = audit(WORKFLOWS)
    assert done.returncode == 0, done.stdout
    assert "No findings to report" in done.stdout + done.stderr


@pytest.mark.parametrize(("text", "check"), [(INJECTION, audit), ("on: [pushed]\njobs: {}\n", schema)])
def test_both_would_see_what_is_wrong(text: str, check: object, tmp_path: Path) -> None:
    wrong = tmp_path / ".github" / "workflows" / "wrong.yml"
    wrong.parent.mkdir(parents=True)
    wrong.write_text(text)
    assert callable(check)
    assert check(wrong).returncode != 0


def test_nothing_has_rights_that_its_job_does_not_name() -> None:
    for path in WORKFLOWS.glob("*.yml"):
        workflow = load(path.name)
        assert workflow["permissions"] == {}, path.name
        assert all("permissions" in job for job in workflow["jobs"].values()), path.name
        assert "concurrency" in workflow, path.name


def test_staging_waits_for_the_tests_and_production_for_the_word() -> None:
    staging, production = load("staging.yml"), load("production.yml")
    assert staging["jobs"]["deploy"]["needs"] == "test"
    assert staging["on"] == {"push": {"branches": ["main"]}}
    assert list(production["on"]) == ["workflow_dispatch"]
    inputs = production["on"]["workflow_dispatch"]["inputs"]
    assert isinstance(inputs, dict)
    assert set(inputs) == {"version", "confirm"}


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("staging.yml", 'scripts/deploy-over-ssh.sh /opt/model-gateway-staging "$GITHUB_SHA" 8505'),
        ("production.yml", 'scripts/deploy-over-ssh.sh /opt/model-gateway "$COMMIT" 8503'),
        ("production.yml", 'gh release create "$TAG" --target "$COMMIT" --title "$TAG" --generate-notes'),
        ("test.yml", "make test"),
    ],
)
def test_what_they_run_is_a_script_that_is_tested(name: str, call: str) -> None:
    assert f"run: {call}\n" in (WORKFLOWS / name).read_text(encoding="utf-8")
