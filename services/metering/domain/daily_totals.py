"""Daily totals: what posting a request changes in its UTC day (the day of its admission), by model and key."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple


class Day(NamedTuple):
    """What a total is kept for, of one account."""

    day: date
    model: str
    key_id: str


@dataclass(frozen=True, slots=True)
class DailyChange:
    """What to add to a total; negative where a correction takes back."""

    requests: int = 0
    tokens_prompt: int = 0
    tokens_completion: int = 0
    tokens_cached: int = 0

    def __add__(self, other: "DailyChange") -> "DailyChange":
        return DailyChange(
            self.requests + other.requests,
            self.tokens_prompt + other.tokens_prompt,
            self.tokens_completion + other.tokens_completion,
            self.tokens_cached + other.tokens_cached,
        )

    def __neg__(self) -> "DailyChange":
        return DailyChange(-self.requests, -self.tokens_prompt, -self.tokens_completion, -self.tokens_cached)


DailyChanges = Mapping[Day, DailyChange]


def day_of(admitted_at: datetime) -> date:
    return admitted_at.astimezone(UTC).date()


def sum_by_day(changes: Iterable[tuple[Day, DailyChange]]) -> dict[Day, DailyChange]:
    totals: dict[Day, DailyChange] = {}
    for day, change in changes:
        known = totals.get(day)
        totals[day] = change if known is None else known + change
    return totals
