"""Which cores do what: the thing under test has some to itself, all that surrounds it has the others."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

CORES_FOR_TWO_GATEWAYS = 6
"""Two gateways, and as many for load, upstream, Redis and RabbitMQ twice: with fewer these are what is measured."""


@dataclass(frozen=True, slots=True)
class Cores:
    """`tested` and `around` have none in common, unless the machine has but one. `second`: for a second gateway,
    empty where the machine has too few."""

    tested: tuple[int, ...]
    around: tuple[int, ...]
    second: tuple[int, ...] = ()


def choose_cores(available: Sequence[int]) -> Cores:
    """The last ones are tested: the first has most of the machine's interrupts."""
    if len(available) == 1:
        return Cores(tuple(available), tuple(available))
    *others, tested = available
    if len(available) < CORES_FOR_TWO_GATEWAYS:
        return Cores((tested,), tuple(others))
    *others, second = others
    return Cores((tested,), tuple(others), (second,))


def available_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def pinned(argv: tuple[str, ...], cores: Sequence[int]) -> tuple[str, ...]:
    return ("taskset", "-c", ",".join(map(str, cores)), *argv)
