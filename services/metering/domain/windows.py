"""The span of time that a page of usage is about, and which of it the daily totals can answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar

from shared.errors import Kind, PromptlyError

DAYS_BY_DEFAULT = 30
DAYS_MAX = 366
"""A year: what a page sums up stays a few thousand rows."""
FIRST = datetime(2000, 1, 1, tzinfo=UTC)
LAST = datetime(2200, 1, 1, tzinfo=UTC)
"""Request ids begin with their time in milliseconds: instants that no id can have are nobody's question."""
ADMITTED_WITHIN = timedelta(hours=1)
"""A request's id is made when it arrives, by another clock than the one that stamps its admission."""
DAY = timedelta(days=1)


class WindowInvalid(PromptlyError):
    """`since` and `until` do not make a span that can be answered."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "invalid_window"


@dataclass(frozen=True, slots=True)
class Window:
    """`since` is inside, `until` outside."""

    since: datetime
    until: datetime

    @property
    def first_whole_day(self) -> date:
        return _midnight_at_or_after(self.since).date()

    @property
    def end_of_whole_days(self) -> date:
        """The first day that is no longer wholly inside."""
        return self.until.astimezone(UTC).date()

    def edges(self) -> Iterator["Window"]:
        """What lies outside the whole days: parts of one or two days, which only single requests can tell."""
        first, end = _midnight(self.first_whole_day), _midnight(self.end_of_whole_days)
        if first > end:  # within one day
            yield self
            return
        if self.since < first:
            yield Window(self.since, first)
        if end < self.until:
            yield Window(end, self.until)


def window_of(since: datetime | None, until: datetime | None, now: datetime) -> Window:
    """Whole UTC days where nothing is said: until the end of today, and 30 days in all. Raises WindowInvalid."""
    until = until or _midnight_at_or_after(now)
    if not FIRST < until <= LAST:  # thirty days before the year 1 cannot be told
        return checked(FIRST, until)
    since = since or _midnight_at_or_after(until) - DAYS_BY_DEFAULT * DAY
    return checked(since, until)


def checked(since: datetime, until: datetime) -> Window:
    """Raises WindowInvalid; TypeError for an instant without its offset."""
    if not FIRST <= since < until <= LAST:
        raise WindowInvalid("`since` must lie before `until`, both between 2000 and 2200.", param="since")
    if until - since > DAYS_MAX * DAY:
        raise WindowInvalid(f"Ask for at most {DAYS_MAX} days at once.", param="since")
    return Window(since, until)


def _midnight_at_or_after(instant: datetime) -> datetime:
    begun = _midnight(instant.astimezone(UTC).date())
    return begun if begun == instant else begun + DAY


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
