"""python -m tests.chaos [EXPERIMENT] [--seed N] [--seeds N] [--soak 30m] | report

All experiments over one running system; the results go to docs/reliability-results.jsonl. Exit code 1 when a seed is
red; then the command that repeats it is printed."""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.failures import LocalFailure
from deploy.local.settings import ROOT
from tests.chaos import report
from tests.chaos.experiments import EXPERIMENTS, find_experiment
from tests.chaos.history import now
from tests.chaos.results import RESULTS, Result, append, commit_now
from tests.chaos.run import run_seed
from tests.chaos.scene import Experiment
from tests.chaos.system import running_chaos

HISTORIES = ROOT / ".local" / "chaos"
UNITS = {"s": 1, "m": 60, "h": 3600}
SEED_MAX = 10_000
TERMINATED = 128 + signal.SIGTERM
NO_VERDICT = (AssertionError, TimeoutError, OSError, LocalFailure, ExceptionGroup)
"""What the harness itself may fail by, such as a system that does not start: not recorded, and not forgotten."""


def main() -> int:
    given = _arguments()
    if given.what == "report":
        report.write()
        return 0
    try:
        results = asyncio.run(_run(given))
    except asyncio.CancelledError:
        return TERMINATED
    red = [result for result in results if not result.is_green]
    _say(f"{len(results)} seeds, {len(red)} red.")
    return 1 if red else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "what", nargs="?", default="all", help="an experiment (E3), several (E3,E5), all, or report"
    )
    parser.add_argument("--seed", type=int, help="the seed, or the first of --seeds")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds of each experiment")
    parser.add_argument(
        "--seconds", type=float, default=0, help="of load; as the experiment says when left out"
    )
    parser.add_argument("--soak", help="for so long, experiments and seeds by chance: 30m, 6h")
    parser.add_argument("--no-record", action="store_true", help="do not add to the results")
    return parser.parse_args()


async def _run(given: argparse.Namespace) -> list[Result]:
    results: list[Result] = []
    failed: list[str] = []
    ends_orderly_when_terminated()
    run = f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ} {_command(given)}"
    with tempfile.TemporaryDirectory(prefix="promptly-chaos-") as home:
        async with running_chaos(Path(home)) as chaos:
            for experiment, seed in _plan(given):
                try:
                    result = await run_seed(chaos, experiment, seed, HISTORIES, given.seconds)
                except NO_VERDICT as error:
                    failed.append(f"{experiment.name} seed {seed} came to no verdict: {error!r}")
                    _say(f"FAIL   {failed[-1]}")
                    continue
                result = replace(result, commit=commit_now(), run=run)
                results.append(result)
                _tell(result)
                if not given.no_record:
                    append([result], RESULTS)
                if not result.is_green:
                    _keep_logs(Path(home), result)
    if failed:
        raise SystemExit(f"{len(results)} seeds, {len(failed)} without a verdict.")
    return results


def _command(given: argparse.Namespace) -> str:
    said = {
        "EXPERIMENT": None if given.what == "all" else given.what,
        "SEED": given.seed,
        "SEEDS": None if given.seeds == 1 else given.seeds,
        "SOAK": given.soak,
    }
    return " ".join(["make chaos", *(f"{name}={value}" for name, value in said.items() if value is not None)])


def ends_orderly_when_terminated() -> None:
    """SIGTERM ends the running task as Ctrl-C does: servers are stopped, and the small disk is unmounted."""
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)


def _plan(given: argparse.Namespace) -> Iterator[tuple[Experiment, int]]:
    first = given.seed if given.seed is not None else 1
    if given.soak:
        yield from _soak(float(given.soak[:-1]) * UNITS[given.soak[-1]], first)
        return
    chosen = [each for each in EXPERIMENTS if not each.is_long]
    if given.what != "all":
        chosen = [find_experiment(name) for name in given.what.split(",")]
    for seed in range(first, first + given.seeds):
        for experiment in chosen:
            yield experiment, seed


def _soak(seconds: float, seed: int) -> Iterator[tuple[Experiment, int]]:
    dice = random.Random(seed)  # noqa: S311 - not a secret
    deadline = now() + seconds
    while now() < deadline:
        yield dice.choice(EXPERIMENTS), dice.randrange(SEED_MAX)


def _tell(result: Result) -> None:
    seen = result.figures
    counts = ", ".join(f"{name} {seen[name]}" for name in ("lost", "duplicated", "phantom", "overspent"))
    verdict = "green" if result.is_green else "RED"
    _say(
        f"{verdict:5}  {result.experiment:4} seed {result.seed}: {seen['requests']:,} requests, "
        f"{sum(result.faults.values())} faults, {counts}; quiet after {result.quiet_ms / 1000:.0f} s, "
        f"{result.seconds:.0f} s in all"
    )
    for point in result.not_reached:
        _say(f"       not reached: {point}")
    for violation in result.violations:
        _say(f"       {violation}")
    if not result.is_green:
        _say(f"       repeat it: make chaos EXPERIMENT={result.experiment} SEED={result.seed}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _keep_logs(home: Path, result: Result) -> None:
    kept = HISTORIES / f"{result.experiment}-{result.seed}.log"
    logs: Sequence[Path] = sorted((home / "system" / "log").glob("*.log"))
    with kept.open("w", encoding="utf-8") as file:
        for log in logs:
            file.write(f"=== {log.name}\n{log.read_text(errors='replace')[-2_000_000:]}\n")


if __name__ == "__main__":
    sys.exit(main())
