"""What runs where with `pytest -n`, and that nothing of it goes unseen."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.workers import TOGETHER, place_of

ROOT = Path(__file__).parents[3]
TESTS = {
    "test_crashes.py": "import os\ndef test_it_ends_its_process(): os._exit(3)\ndef test_after_it(): pass\n",
    "test_fails.py": "def test_it_is_wrong(): assert 1 == 2\n",
    "test_passes.py": "def test_it_is_right(): pass\n",
}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("services/gateway/tests/test_money.py", "services/gateway/tests/test_money.py"),
        ("tests/integration/test_money_load.py", "fleet"),
        ("tests/integration/test_traces.py", "stack"),
        ("tests/clients/test_node.py", "stack"),
    ],
)
def test_a_file_stays_together_and_so_do_all_that_share_a_system(path: str, place: str) -> None:
    assert place_of(path) == place


def test_no_test_elsewhere_starts_such_a_system_once_more() -> None:
    paths = [
        path
        for folder in ("tests", "services", "shared", "deploy")
        for path in ROOT.glob(f"{folder}/**/test_*.py")
    ]
    used = {str(path.relative_to(ROOT)): TOGETHER.keys() & set(fixtures_of_tests(path)) for path in paths}
    assert {path: systems for path, systems in used.items() if systems - {place_of(path)}} == {}


def fixtures_of_tests(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield from (argument.arg for argument in node.args.args)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("tests")
    for name, text in TESTS.items():
        (folder / name).write_text(text)
    options = ["-n", "2", "-p", "tests.support.workers", "-p", "tests.support.told_at_once"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-c", "/dev/null", "--rootdir", folder, folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_worker_that_crashes_ends_the_run_with_an_error(
    run: subprocess.CompletedProcess[str],
) -> None:
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "crashed while running 'test_crashes.py::test_it_ends_its_process'" in run.stdout
    assert "2 failed" in run.stdout


def test_a_failure_is_told_before_the_run_has_ended(run: subprocess.CompletedProcess[str]) -> None:
    assert run.stdout.index("assert 1 == 2") < run.stdout.index("= FAILURES =")
