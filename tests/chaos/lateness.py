"""The page's tables of how late things arrived, and of the soaks."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from tests.chaos.experiments import EXPERIMENTS
from tests.chaos.results import Result

MILLISECONDS = 1000
QUARTERS = 4
LATE = ("usage", "events")


def lags(results: Sequence[Result]) -> str:
    """Per experiment, in seconds: the median of the seeds' p50, the largest of their p99."""
    head = (
        "| | seeds | charged after a request's end, p50 | p99 | RabbitMQ's confirm after an event's commit, p50 | p99 |\n"
        "|---|---|---|---|---|---|"
    )
    rows = []
    for experiment in EXPERIMENTS:
        mine = [each.lag_ms for each in results if each.experiment == experiment.name and each.lag_ms]
        if mine:
            late = " | ".join(_late([each[name] for each in mine if name in each]) for name in LATE)
            rows.append(f"| {experiment.name} | {len(mine)} | {late} |")
    return "\n".join([head, *rows])


def soaks(results: Sequence[Result]) -> str:
    """Each soak that noted its lags, in quarters: what grows, grows from row to row."""
    head = (
        "| soak | quarter | seeds | memory of all services, median | most | descriptors, median | most "
        "| charged after a request's end, p50 | confirmed after an event's commit, p50 |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    named = {result.run: None for result in results if "SOAK=" in result.run and result.lag_ms}
    rows = [row for run in named for row in _quarters(run, [each for each in results if each.run == run])]
    return "\n".join([head, *rows])


def _quarters(run: str, results: Sequence[Result]) -> Iterator[str]:
    for quarter in range(QUARTERS):
        part = results[len(results) * quarter // QUARTERS : len(results) * (quarter + 1) // QUARTERS]
        if part:
            memory, opened = zip(*(each.used() for each in part), strict=True)
            late = [f"{_median_late(part, name):.2f} s" for name in LATE]
            cells = (
                f"`{run.split(' ', 1)[1]}`, {run.split(' ', 1)[0]}",
                quarter + 1,
                len(part),
                f"{median(memory):.0f} MB",
                f"{max(memory)} MB",
                f"{median(opened):.0f}",
                max(opened),
                *late,
            )
            yield f"| {' | '.join(map(str, cells))} |"


def _median_late(results: Iterable[Result], name: str) -> float:
    return median(result.lag_ms[name][0] for result in results if name in result.lag_ms) / MILLISECONDS


def _late(lags_ms: Sequence[tuple[int, int]]) -> str:
    if not lags_ms:
        return "– | –"
    middle = median(each[0] for each in lags_ms) / MILLISECONDS
    worst = max(each[1] for each in lags_ms) / MILLISECONDS
    return f"{middle:.2f} s | {worst:.1f} s"
