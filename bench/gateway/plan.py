"""How long and how often is measured. Quick shows the way while one works; full is what is published."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int
    warm_up_seconds: float
    load_seconds: float
    paced_seconds: float
    chunks_seconds: float
    crowd_seconds: float
    others_seconds: float


QUICK = Plan(
    rounds=2,
    warm_up_seconds=1,
    load_seconds=2,
    paced_seconds=2,
    chunks_seconds=3,
    crowd_seconds=20,
    others_seconds=5,
)
FULL = Plan(
    rounds=3,
    warm_up_seconds=4,
    load_seconds=5,
    paced_seconds=5,
    chunks_seconds=8,
    crowd_seconds=300,
    others_seconds=15,
)
