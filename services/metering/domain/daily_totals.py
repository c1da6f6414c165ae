"""Daily totals: what posting a request changes in its UTC day (the day of its admission)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True, slots=True)
class DailyChange:
    """What to add to a day; negative where a correction takes back."""

    requests: int = 0
    tokens_prompt: int = 0
    tokens_completion: int = 0

    def __add__(self, other: "DailyChange") -> "DailyChange":
        return DailyChange(
            self.requests + other.requests,
            self.tokens_prompt + other.tokens_prompt,
            self.tokens_completion + other.tokens_completion,
        )

    def __neg__(self) -> "DailyChange":
        return DailyChange(-self.requests, -self.tokens_prompt, -self.tokens_completion)


def day_of(admitted_at: datetime) -> date:
    return admitted_at.astimezone(UTC).date()


def sum_by_day(changes: Iterable[tuple[date, DailyChange]]) -> dict[date, DailyChange]:
    totals: dict[date, DailyChange] = {}
    for day, change in changes:
        totals[day] = totals.get(day, DailyChange()) + change
    return totals
