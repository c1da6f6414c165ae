"""What a run leaves behind: bench/results/latest.json, and on request the tables in docs/benchmarks.md."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.gateway.figures import Figures
from bench.gateway.goals import judge
from bench.gateway.run import DIRECT, GATEWAY, NGINX
from bench.gateway.system import ROOT
from bench.gateway.tables import all_tables
from deploy.local.failures import LocalFailure

LATEST = ROOT / "bench" / "results" / "latest.json"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def machine() -> dict[str, str]:
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
    }


def result_of(figures: Figures, *, how: str, loads: Mapping[str, float], at: datetime) -> dict[str, Any]:
    """`loads`: the machine's load average at the start and at the end."""
    return {
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "how": how,
        "revision": _revision(),
        "machine": machine(),
        "loads": dict(loads),
        "requests_per_second_ratio_to_nginx": figures.ratio("requests_per_second", GATEWAY, to=NGINX),
        "cpu_per_chunk_ratio_to_nginx": figures.ratio("cpu_us_per_chunk", GATEWAY, to=NGINX),
        "added_p50_ms": figures.added("p50_ms_one_connection", GATEWAY, to=DIRECT),
        "goals": {verdict.goal.what: verdict.is_met for verdict in judge(figures)},
        "samples": figures.samples(),
    }


def write_latest(result: Mapping[str, Any], path: Path = LATEST) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def read_latest(path: Path = LATEST) -> dict[str, Any]:
    if not path.exists():
        raise LocalFailure("There is no result yet: `make bench` makes one.")
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def report_of(result: Mapping[str, Any]) -> str:
    """One line about the run, then the tables."""
    of, loads = result["machine"], result["loads"]
    revision = f"revision {result['revision']}, " if result["revision"] else ""
    line = (
        f"{result['at'][:16].replace('T', ' ')} UTC, {revision}{result['how']} run; "
        f"{of['processor']}, {of['cores']} cores, Linux {of['kernel']}, Python {of['python']}; "
        f"load average {loads['start']:.1f} at the start, {loads['end']:.1f} at the end."
    )
    return f"{line}\n\n{all_tables(Figures(result['samples']))}"


def replace_report(document: str, report: str) -> str:
    """Between its two marks. Raises LocalFailure when they are not there."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise LocalFailure(f"docs/benchmarks.md has no place for the tables, between {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{report}\n{END}{after}"


def update_document(result: Mapping[str, Any], path: Path = DOCUMENT) -> None:
    path.write_text(replace_report(path.read_text(), report_of(result)))


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _revision() -> str:
    """Empty outside a repository."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
