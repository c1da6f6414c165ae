"""docs/reliability.md: the words of reliability.template.md around tables made of the results."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from deploy.local.settings import ROOT
from tests.chaos import lateness
from tests.chaos.defects import DEFECTS
from tests.chaos.experiments import EXPERIMENTS
from tests.chaos.results import RESULTS, Result, read
from tests.chaos.run import percentile
from tests.chaos.scene import Experiment

TEMPLATE = ROOT / "tests" / "chaos" / "reliability.template.md"
PAGE = ROOT / "docs" / "reliability.md"
BAD = ("lost", "duplicated", "phantom", "overspent")
MILLISECONDS = 1000
MINUTE_SECONDS = 60


def write() -> None:
    PAGE.write_text(render(TEMPLATE.read_text(encoding="utf-8"), read(RESULTS)), encoding="utf-8")


def render(template: str, results: Sequence[Result]) -> str:
    parts = {
        "SUMMARY": summary(results),
        "RUNS": runs(results),
        "EXPERIMENTS": experiments(results),
        "SEEDS": seeds(results),
        "FAULTS": faults(results),
        "RECOVERY": recovery(results),
        "REVOCATION": revocation(results),
        "RED": red(results),
        "DEFECTS": defects(),
        "FOOTPRINT": footprints(results),
        "LAGS": lateness.lags(results),
        "SOAKS": lateness.soaks(results),
    }
    for name, text in parts.items():
        template = template.replace(f"<!-- {name} -->", text)
    return template


def summary(results: Sequence[Result]) -> str:
    """One row of counts over everything that was ever run."""
    total = _sums(results)
    commits = sorted({result.commit for result in results})
    rows = [
        ("seeds run", len(results)),
        ("of them red", sum(not result.is_green for result in results)),
        ("faults injected", sum(sum(result.faults.values()) for result in results)),
        ("requests", total["requests"]),
        ("answers generated", total["generated"]),
        ("tokens generated", total["tokens"]),
        ("**lost** (generated or received, and not charged)", total["lost"]),
        ("**duplicated** (charged or credited twice)", total["duplicated"]),
        ("**phantom** (charged, and never generated)", total["phantom"]),
        ("**overspent** (tokens without cover)", total["overspent"]),
        ("tokens received and not charged, within the stated bounds", total["uncharged"]),
        (
            "answers begun of which no client received a token, and nobody paid for (a model that broke off, a client or a gateway that was gone)",
            total["undelivered"],
        ),
        (
            "mails that the mail server took again: its 250 was lost, or whoever heard it died before noting it",
            total["mails_again"],
        ),
    ]
    told = "\n".join(f"| {name} | {count:,} |" for name, count in rows)
    return f"| | |\n|---|---|\n{told}\n\nCommits: {', '.join(commits)}."


def runs(results: Iterable[Result]) -> str:
    """Each command, in the order given, and what its system used after its first and its last seed."""
    by_run: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.run:
            by_run[result.run].append(result)
    head = (
        "| when | command | commit | seeds | red | minutes | memory of all services, first and last seed | descriptors |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(_run_row(run, by_run[run]) for run in sorted(by_run))])


def _run_row(run: str, results: Sequence[Result]) -> str:
    at, command = run.split(" ", 1)
    red_ones = sum(not result.is_green for result in results)
    minutes = sum(result.seconds for result in results) / MINUTE_SECONDS
    weighed = " and ".join(f"{results[index].used()[0]} MB" for index in (0, -1))
    opened = " and ".join(str(results[index].used()[1]) for index in (0, -1))
    cells = (
        at,
        f"`{command}`",
        results[-1].commit,
        len(results),
        red_ones,
        f"{minutes:.0f}",
        weighed,
        opened,
    )
    return f"| {' | '.join(map(str, cells))} |"


def seeds(results: Sequence[Result]) -> str:
    rows = [
        f"| {each.name} | {', '.join(map(str, sorted({result.seed for result in _of(results, each)})))} |"
        for each in EXPERIMENTS
    ]
    return "\n".join(["| | seeds |", "|---|---|", *rows])


def experiments(results: Sequence[Result]) -> str:
    head = (
        "| | fault | seeds | red | faults | requests | lost | duplicated | phantom | overspent | would have been named |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(_row(each, _of(results, each)) for each in EXPERIMENTS)])


def _row(experiment: Experiment, results: Sequence[Result]) -> str:
    sums = _sums(results)
    red_ones = sum(not result.is_green for result in results)
    counts = [
        len(results),
        red_ones,
        sum(sum(result.faults.values()) for result in results),
        sums["requests"],
    ]
    cells = [experiment.name, experiment.title, *(f"{count:,}" for count in counts)]
    return f"| {' | '.join([*cells, *(f'{sums[name]:,}' for name in BAD), experiment.shown_by])} |"


def faults(results: Sequence[Result]) -> str:
    kinds: Counter[str] = Counter()
    for result in results:
        kinds.update(result.faults)
    rows = [f"| {kind} | {count:,} |" for kind, count in kinds.most_common()]
    return "\n".join(["| fault | times |", "|---|---|", *rows])


def recovery(results: Sequence[Result]) -> str:
    """Per experiment, in seconds."""
    head = (
        "| | to the first answer after a fault, p50 | p99 | until nothing waits any more, p50 | p99 |\n"
        "|---|---|---|---|---|"
    )
    rows = []
    for experiment in EXPERIMENTS:
        mine = _of(results, experiment)
        firsts = [each for result in mine for each in result.recovery_ms]
        if mine:
            rows.append(
                f"| {experiment.name} | {_p(firsts)} | {' | '.join([_p([each.quiet_ms for each in mine])])} |"
            )
    return "\n".join([head, *rows])


def revocation(results: Iterable[Result]) -> str:
    values = [each for result in results for each in result.revocation_ms]
    return (
        f"{len(values):,} revocations outside of faults: from the answer of the form to the last request that was still "
        f"let in, p50 {percentile(values, 50):.0f} ms, p99 {percentile(values, 99):.0f} ms, "
        f"at most {max(values, default=0)} ms."
    )


def red(results: Iterable[Result]) -> str:
    """Seeds that were red, with what they said and when."""
    rows = [
        f"| {result.at} | {result.commit} | `make chaos EXPERIMENT={result.experiment} SEED={result.seed}` | {_first(result)} |"
        for result in results
        if not result.is_green
    ]
    if not rows:
        return "None."
    return "\n".join(["| when | commit | repeat it | it said |", "|---|---|---|---|", *rows])


def defects() -> str:
    if not DEFECTS:
        return "Nothing so far."
    rows = [f"| {each.found_by} | {each.what} | `{each.test}` |" for each in DEFECTS]
    return "\n".join(["| found by | what was wrong | held by |", "|---|---|---|", *rows])


def footprints(results: Sequence[Result]) -> str:
    """When it was quiet again, the largest of all seeds."""
    seen = [result.footprint for result in results if result.footprint]
    if not seen:
        return "Not measured yet."
    rows = [
        f"| {name} | {max(each[name][0] for each in seen)} MB | {max(each[name][1] for each in seen)} |"
        for name in seen[-1]
    ]
    return "\n".join(["| process | memory, at most | descriptors, at most |", "|---|---|---|", *rows])


def _first(result: Result) -> str:
    more = len(result.violations) - 1
    return result.violations[0] + (f", and {more} more" if more else "")


def _of(results: Iterable[Result], experiment: Experiment) -> list[Result]:
    return [result for result in results if result.experiment == experiment.name]


def _sums(results: Iterable[Result]) -> Mapping[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for result in results:
        for name, count in result.figures.items():
            sums[name] += count
    return sums


def _p(values_ms: Sequence[float]) -> str:
    return " | ".join(_seconds(values_ms))


def _seconds(values_ms: Sequence[float]) -> Iterator[str]:
    for share in (50, 99):
        yield f"{percentile(values_ms, share) / MILLISECONDS:.1f} s" if values_ms else "–"
