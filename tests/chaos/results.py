"""Results of seeds, one JSON line each, adding up over runs in a tracked file."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.settings import ROOT

RESULTS = ROOT / "docs" / "reliability-results.jsonl"


@dataclass(frozen=True, slots=True)
class Result:
    """`footprint`: of each service when it was quiet again, memory in MB and open descriptors. `run`: the command, and
    when it was given; its seeds had one system. `lag_ms`: p50 and p99 of what arrived late, by name (lags.py)."""

    experiment: str
    seed: int
    seconds: float
    faults: dict[str, int]
    not_reached: list[str]
    statuses: dict[str, int]
    figures: dict[str, int]
    recovery_ms: list[int]
    quiet_ms: int
    revocation_ms: list[int]
    violations: list[str]
    footprint: dict[str, tuple[int, int]] = field(default_factory=dict)
    at: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}")
    commit: str = ""
    run: str = ""
    lag_ms: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_green(self) -> bool:
        return not self.violations

    def used(self) -> tuple[int, int]:
        """Memory in MB and open descriptors, of all services."""
        each = self.footprint.values()
        return sum(memory for memory, _ in each), sum(opened for _, opened in each)


def append(results: Iterable[Result], path: Path = RESULTS) -> None:
    with path.open("a", encoding="utf-8") as file:
        for result in results:
            file.write(json.dumps(asdict(result), separators=(",", ":")) + "\n")


def read(path: Path = RESULTS) -> list[Result]:
    if not path.exists():
        return []
    return [Result(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def commit_now() -> str:
    """Short, with a plus where the tree has changes other than results; empty outside of a repository."""
    said = _git("describe", "--always", "--exclude", "*").stdout.strip()
    changed = _git("diff", "--quiet", "HEAD", "--", ".", f":!{RESULTS.relative_to(ROOT)}").returncode == 1
    return f"{said}+" if changed else said


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
