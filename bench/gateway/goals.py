"""What was promised, and whether this run keeps it. None: not measured here."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.gateway.figures import Figures
from bench.gateway.run import DIRECT, GATEWAY, NGINX

MEMORY_MB_MAX = 300
GROWTH_MAX = 0.05
"""What is called flat: from the first sample to the last."""


@dataclass(frozen=True, slots=True)
class Goal:
    """`find` gives the figure in the unit of `bound`; at least or at most so much."""

    what: str
    find: Callable[[Figures], float | None]
    bound: float
    unit: str
    at_least: bool = False

    def is_met(self, figures: Figures) -> bool | None:
        found = self.find(figures)
        if found is None:
            return None
        return found >= self.bound if self.at_least else found <= self.bound


@dataclass(frozen=True, slots=True)
class Verdict:
    goal: Goal
    found: float | None
    is_met: bool | None


def judge(figures: Figures) -> list[Verdict]:
    return [Verdict(goal, goal.find(figures), goal.is_met(figures)) for goal in GOALS]


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _growth(figures: Figures) -> float | None:
    memory = figures.values("crowd_memory_mb", GATEWAY)
    return memory[-1] / memory[0] - 1 if memory else None


def _highest(measure: str) -> Callable[[Figures], float | None]:
    return lambda figures: max(figures.values(measure, GATEWAY), default=None)


def _added(measure: str) -> Callable[[Figures], float | None]:
    return lambda figures: figures.added(measure, GATEWAY, to=DIRECT)


def _two_to_one(figures: Figures) -> float | None:
    two, one = (
        figures.median(name, GATEWAY) for name in ("two_gateways_per_second", "one_gateway_per_second")
    )
    return two / one if two and one else None


GOALS = (
    Goal(
        "requests/s at 32 connections, of bare nginx's",
        lambda figures: _percent(figures.ratio("requests_per_second", GATEWAY, to=NGINX)),
        20,
        "%",
        at_least=True,
    ),
    Goal("added at one connection, p50", _added("p50_ms_one_connection"), 0.4, "ms"),
    Goal("added at half of the maximum load, p99", _added("p99_ms_half_load"), 3, "ms"),
    Goal(
        "CPU per relayed chunk, of nginx's",
        lambda figures: figures.ratio("cpu_us_per_chunk", GATEWAY, to=NGINX),
        1.75,
        "times",
    ),
    Goal("added to the first byte of a stream, p50", _added("first_byte_p50_ms"), 1, "ms"),
    Goal("1,000 streams: broken or refused", _highest("crowd_failures"), 0, "streams"),
    Goal("1,000 streams: memory", _highest("crowd_memory_mb"), MEMORY_MB_MAX, "MB"),
    Goal(
        "1,000 streams: growth of memory", lambda figures: _percent(_growth(figures)), 100 * GROWTH_MAX, "%"
    ),
    Goal(
        "5,000 open connections: broken or refused", _highest("open_connections_failures"), 0, "connections"
    ),
    Goal("5,000 open connections: others broken or refused", _highest("others_failures"), 0, "requests"),
    Goal("two gateways, of the requests of one", _two_to_one, 1.8, "times", at_least=True),
)
