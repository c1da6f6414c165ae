"""What a key holder sees of their account, and the chart of their usage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum

from services.accounts.domain.keys import Key

DAYS_SHOWN = 30
CHART_HEIGHT = 100
"""Bars are whole percent of the busiest day."""


class TrialState(Enum):
    NONE = "none"
    RUNNING = "running"
    USED_UP = "used_up"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Balance:
    """In tokens, as posted in the ledger. `debt` is what a reversed payment left behind."""

    available: int
    paid: int
    trial: int
    trial_expires_at: datetime | None
    debt: int

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
class Dashboard:
    """`balance` and `usage` are None while the ledger does not answer or does not know the account yet."""

    balance: Balance | None
    usage: tuple[UsageDay, ...] | None
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart; heights in percent, the completion stands on the prompt."""

    usage: UsageDay
    prompt_height: int
    completion_height: int


def chart_of(usage: Sequence[UsageDay], *, today: date) -> list[Bar]:
    """The last DAYS_SHOWN days, oldest first, quiet days included."""
    known = {each.day: each for each in usage}
    days = [today - timedelta(days=age) for age in reversed(range(DAYS_SHOWN))]
    shown = [known.get(day) or UsageDay(day, 0, 0, 0) for day in days]
    busiest = max(each.tokens for each in shown) or 1
    return [_bar(each, busiest) for each in shown]


def _bar(usage: UsageDay, busiest: int) -> Bar:
    """Both parts end on a percent of the whole, so that rounding never lifts a bar above its total."""
    total = _percent(usage.tokens, busiest)
    prompt = _percent(usage.tokens_prompt, busiest)
    return Bar(usage, min(prompt, total), total - min(prompt, total))


def _percent(part: int, whole: int) -> int:
    """Rounded up: a day with any usage is seen."""
    return -(-part * CHART_HEIGHT // whole)
