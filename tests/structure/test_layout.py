"""Who knows one service knows five; a domain decides and touches nothing."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("gateway", "accounts", "metering", "billing", "notifier")
ENTRIES = {
    "README.md", "__main__.py", "app.py", "settings.py", "domain", "use_cases", "adapters",
    "entrypoints", "templates", "static", "migrations", "tests",
}  # fmt: skip
REQUIRED = {"README.md", "__main__.py", "app.py", "settings.py", "domain", "entrypoints", "tests"}
WORDS_OF_SHARED = ("shared.ids", "shared.errors", "shared.contracts", "shared.admission.decisions")
"""Types without behaviour: what a domain may name beside the standard library and its siblings."""
AS_JSON = "msgspec"
"""The standard library's json in a tenth of the time, and as pure: bodies are read and written in the domain."""
FORBIDDEN_NAMES = {"utils.py", "common.py", "helpers.py", "manager.py", "models.py"}


def visible(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if entry.name != "__pycache__"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_names_inside(service: str) -> None:
    names = {_as_folder(name) for name in visible(ROOT / "services" / service)}
    assert names - ENTRIES == set()
    assert REQUIRED - names == set()


def test_no_module_is_named_after_nothing() -> None:
    assert {str(path) for path in ROOT.glob("s*/**/*.py") if path.name in FORBIDDEN_NAMES} == set()


@pytest.mark.parametrize("service", SERVICES)
def test_a_domain_imports_the_standard_library_and_its_siblings(service: str) -> None:
    allowed = (f"services.{service}.domain", AS_JSON, *WORDS_OF_SHARED)
    strangers = {
        f"{path.name}: {module}"
        for path in (ROOT / "services" / service / "domain").glob("*.py")
        for module in imports(path)
        if module.split(".")[0] not in sys.stdlib_module_names and not module.startswith(allowed)
    }
    assert strangers == set()


@pytest.mark.parametrize("service", SERVICES)
def test_a_domain_awaits_nothing_and_reads_no_clock(service: str) -> None:
    sources = {path.name: path.read_text() for path in (ROOT / "services" / service / "domain").glob("*.py")}
    assert {name for name, text in sources.items() if "await " in text or ".now(" in text} == set()


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _as_folder(name: str) -> str:
    """A folder that would hold one file is a file."""
    return name if name in ENTRIES else name.removesuffix(".py")
