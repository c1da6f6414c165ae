"""The figures as people read them: Markdown tables."""

from collections.abc import Callable, Sequence

from bench.gateway.figures import Figures
from bench.gateway.goals import judge
from bench.gateway.run import DIRECT, GATEWAY, NGINX

Column = tuple[str, Callable[[Figures, str], str]]
NOTHING = "–"
PROFILE = "profile_us: "


def number(value: float | None, digits: int, suffix: str = "") -> str:
    return NOTHING if value is None else f"{value:,.{digits}f}{suffix}"


def percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---", *("---:" for _ in columns[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _with_spread(measure: str, digits: int) -> Callable[[Figures, str], str]:
    def show(figures: Figures, name: str) -> str:
        spread = figures.spread(measure, name)
        said = number(figures.median(measure, name), digits)
        return said if spread is None else f"{said} ± {spread / 2:.0%}"

    return show


def _share(measure: str) -> Callable[[Figures, str], str]:
    return lambda figures, name: percent(figures.median(measure, name))


def _added(measure: str, digits: int) -> Callable[[Figures, str], str]:
    def show(figures: Figures, name: str) -> str:
        return NOTHING if name == DIRECT else number(figures.added(measure, name, to=DIRECT), digits)

    return show


WHOLE: tuple[Column, ...] = (
    ("requests/s, 32 connections", _with_spread("requests_per_second", 0)),
    ("of nginx's", lambda figures, name: percent(figures.ratio("requests_per_second", name, to=NGINX))),
    ("CPU µs per request", _with_spread("cpu_us_per_request", 0)),
    ("of its core used", _share("core_share")),
    ("wanted, taken by others", _share("kept_waiting_share")),
    ("p50 ms, one connection", _with_spread("p50_ms_one_connection", 3)),
    ("added", _added("p50_ms_one_connection", 3)),
    ("p99 ms, half load", _with_spread("p99_ms_half_load", 2)),
    ("errors", lambda figures, name: number(sum(figures.values("errors", name)), 0)),
)
STREAMS: tuple[Column, ...] = (
    ("CPU µs per chunk", _with_spread("cpu_us_per_chunk", 1)),
    ("times nginx's", lambda figures, name: number(figures.ratio("cpu_us_per_chunk", name, to=NGINX), 2)),
    ("streams begun/s, 32 connections", _with_spread("starts_per_second", 0)),
    ("p50 ms to the first byte", _with_spread("first_byte_p50_ms", 3)),
    ("added", _added("first_byte_p50_ms", 3)),
)
MANY = (
    ("1,000 streams: chunks/s", "crowd_chunks_per_second", 0),
    ("1,000 streams: memory in the median, MB", "crowd_memory_mb", 0),
    ("1,000 streams: share of a core", "crowd_core_share", 2),
    ("open connections, waiting or not reading", "open_connections", 0),
    ("5,000 open connections: memory, MB", "open_connections_memory_mb", 0),
    ("another customer alone, p50 ms of a 20 ms stream", "others_p50_ms_alone", 1),
    ("the same beside 4,500 that wait and 500 that do not read, p50 ms", "others_p50_ms_beside", 1),
    ("the same, p99 ms", "others_p99_ms_beside", 1),
)


def of_contenders(figures: Figures, columns: Sequence[Column]) -> str:
    """Empty when none of it was measured."""
    rows = [[name, *(show(figures, name) for _, show in columns)] for name in figures.contenders()]
    measured = [row for row in rows if set(row[1:]) - {NOTHING, "0"}]
    return table(["", *(head for head, _ in columns)], measured) if measured else ""


def of_many(figures: Figures) -> str:
    rows = [[what, number(figures.median(measure, GATEWAY), digits)] for what, measure, digits in MANY]
    measured = [row for row in rows if row[1] != NOTHING]
    return table(["many at once, the gateway alone", "figure"], measured) if measured else ""


def of_goals(figures: Figures) -> str:
    words = {True: "met", False: "**missed**", None: "not measured"}
    rows = []
    for verdict in judge(figures):
        goal, sign = verdict.goal, "≥" if verdict.goal.at_least else "≤"
        digits = 0 if goal.unit in ("%", "MB", "streams", "connections", "requests") else 2
        rows.append(
            [
                goal.what,
                f"{sign} {goal.bound:g} {goal.unit}",
                number(verdict.found, digits),
                words[verdict.is_met],
            ]
        )
    return table(["goal", "", "measured", ""], rows)


def of_profile(figures: Figures) -> str:
    """Empty when nobody looked."""
    prices = {
        measure.removeprefix(PROFILE): figures.median(measure, GATEWAY) or 0.0
        for measure in figures.samples()
        if measure.startswith(PROFILE)
    }
    if not prices:
        return ""
    rows = [
        [area, number(price, 0), percent(price / sum(prices.values()))]
        for area, price in sorted(prices.items(), key=lambda each: -each[1])
    ]
    return table(["where a request's CPU time goes", "µs", "share"], rows)


def all_tables(figures: Figures) -> str:
    parts = (
        of_goals(figures),
        of_contenders(figures, WHOLE),
        of_contenders(figures, STREAMS),
        of_many(figures),
        of_profile(figures),
    )
    return "\n\n".join(part for part in parts if part)
