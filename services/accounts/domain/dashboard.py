"""What a key holder sees of their account, and the chart of their usage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum

from services.accounts.domain.keys import Key

DAYS_SHOWN = 30
RANGES_DAYS = (7, 30, 90)
CHART_HEIGHT = 100
"""Bars are whole percent of the chart's top."""


class TrialState(Enum):
    NONE = "none"
    RUNNING = "running"
    USED_UP = "used_up"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Balance:
    """In tokens, as posted in the ledger. `debt` is what a reversed payment left behind, `frozen` what a dispute keeps."""

    available: int
    paid: int
    trial: int
    trial_expires_at: datetime | None
    debt: int
    frozen: int = 0

    def trial_state(self, now: datetime) -> TrialState:
        if self.trial_expires_at is None:
            return TrialState.NONE
        if self.trial_expires_at <= now:
            return TrialState.ENDED
        return TrialState.RUNNING if self.trial > 0 else TrialState.USED_UP


@dataclass(frozen=True, slots=True)
class UsageDay:
    """One UTC day."""

    day: date
    requests: int
    tokens_prompt: int
    tokens_completion: int

    @property
    def tokens(self) -> int:
        return self.tokens_prompt + self.tokens_completion


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key with what it used in the days shown; None while the ledger does not say."""

    key: Key
    tokens_used: int | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart; heights in percent of its top, the completion stands on the prompt."""

    usage: UsageDay
    prompt_height: int
    completion_height: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Oldest day first, quiet days included. `top` is the round number at the upper edge, in tokens."""

    bars: tuple[Bar, ...]
    top: int

    @property
    def tokens(self) -> int:
        return sum(bar.usage.tokens for bar in self.bars)

    @property
    def requests(self) -> int:
        return sum(bar.usage.requests for bar in self.bars)


def chart_of(usage: Sequence[UsageDay], *, today: date, days: int = DAYS_SHOWN) -> Chart:
    known = {each.day: each for each in usage}
    shown_days = [today - timedelta(days=age) for age in reversed(range(days))]
    shown = [known.get(day) or UsageDay(day, 0, 0, 0) for day in shown_days]
    top = round_up(max(each.tokens for each in shown))
    return Chart(tuple(_bar(each, top) for each in shown), top)


def round_up(tokens: int) -> int:
    """To the next of 10, 20, 50, 100, 200, ...: a scale that people read at a glance."""
    power = 10
    while True:
        for step in (power, 2 * power, 5 * power):
            if step >= tokens:
                return step
        power *= 10


def _bar(usage: UsageDay, top: int) -> Bar:
    """Both parts end on a percent of the whole, so that rounding never lifts a bar above its total."""
    total = _percent(usage.tokens, top)
    prompt = _percent(usage.tokens_prompt, top)
    return Bar(usage, min(prompt, total), total - min(prompt, total))


def _percent(part: int, whole: int) -> int:
    """Rounded up: a day with any usage is seen."""
    return -(-part * CHART_HEIGHT // whole)


def read_days(text: str) -> int:
    """Which range was chosen; what is none of them counts as the usual one."""
    return next((days for days in RANGES_DAYS if str(days) == text), DAYS_SHOWN)
