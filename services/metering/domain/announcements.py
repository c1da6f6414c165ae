"""What a person is told of their balance: each crossing once, and not again before it was well above.

Low is told below the threshold and again only after the balance was at one and a half times it; exhausted at
nothing, and again only after it was back at the threshold.
"""

from dataclasses import dataclass
from enum import StrEnum


class Crossing(StrEnum):
    LOW = "low"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class Told:
    """What the person was told last, of a balance that has not recovered since."""

    low: bool
    exhausted: bool


def cross(told: Told, available: int, threshold: int) -> tuple[Told, Crossing | None]:
    """What they have been told from now on, and what to tell now. Exhausted includes low."""
    now = Told(
        low=available < threshold or (told.low and available < threshold + threshold // 2),
        exhausted=available == 0 or (told.exhausted and available < max(threshold, 1)),
    )
    if now.exhausted and not told.exhausted:
        return now, Crossing.EXHAUSTED
    if now.low and not told.low:
        return now, Crossing.LOW
    return now, None
