"""What an audit says: per invariant how much was looked at, what differs, and what could not be looked at."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

FINDINGS_KEPT_MAX = 200
"""Per check: the rest is counted. More than these nobody reads one by one."""


class Check(StrEnum):
    """By the invariant's number in the design."""

    BALANCES = "I1"
    COVER = "I2"
    GENERATIONS = "I3"
    COUNTERS = "I4"
    HOLDS = "I5"
    JOURNAL = "I6"
    ORDERS = "I7"
    STUCK = "I10"
    BURN_ORDER = "I13"
    ROWS = "I17"
    REBUILD = "I18"


TITLES = {
    Check.BALANCES: "entries sum to balances, grants and daily totals",
    Check.COVER: "held and settled tokens are covered",
    Check.GENERATIONS: "each settled request is posted as it was settled",
    Check.COUNTERS: "no more is posted than the model server counted",
    Check.HOLDS: "every hold is alive and counted once",
    Check.JOURNAL: "what is journalled is what is not posted yet",
    Check.ORDERS: "each paid order and trial is credited once",
    Check.STUCK: "nothing is stuck",
    Check.BURN_ORDER: "grants were burned in their order",
    Check.ROWS: "no entry changed or vanished",
    Check.REBUILD: "Redis has what a rebuild would give it",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference. `subject` names the row, and tells one finding from another; of `account_id`, if of one."""

    check: Check
    subject: str
    text: str
    account_id: str | None = None

    @property
    def row(self) -> tuple[Check, str]:
        """What it is about, whatever it says of it."""
        return self.check, self.subject


@dataclass(slots=True)
class Result:
    """Of one check. `not_checked` says why (a part of) it could not be done, `note` what else there is to say."""

    examined: int = 0
    differences: int = 0
    findings: list[Finding] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    results: dict[Check, Result] = field(default_factory=lambda: {check: Result() for check in Check})

    def examined(self, check: Check, count: int) -> None:
        self.results[check].examined += count

    def found(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            result = self.results[finding.check]
            result.differences += 1
            if len(result.findings) < FINDINGS_KEPT_MAX:
                result.findings.append(finding)

    def not_checked(self, check: Check, why: str) -> None:
        if why not in self.results[check].not_checked:
            self.results[check].not_checked.append(why)

    def note(self, check: Check, text: str) -> None:
        self.results[check].note = text

    @property
    def differences(self) -> int:
        return sum(result.differences for result in self.results.values())

    @property
    def is_whole(self) -> bool:
        return not any(result.not_checked for result in self.results.values())
