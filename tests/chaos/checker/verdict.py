"""The verdict: every invariant over the facts. A violation names its invariant and the row that shows it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.chaos.checker import money, others, serving
from tests.chaos.checker.facts import Facts

Check = Callable[[Facts], Iterator[str]]

CHECKS: Mapping[str, tuple[Check, ...]] = {
    "I1": (money.entries_are_the_balance,),
    "I2": (money.nothing_is_overspent,),
    "I3": (serving.each_generation_is_charged_once,),
    "I4": (serving.nothing_is_charged_that_was_not_generated,),
    "I5": (money.every_hold_has_ended,),
    "I6": (money.redis_says_what_the_ledger_says,),
    "I7": (others.each_paid_order_is_credited_once,),
    "I8": (others.reversals_are_what_the_provider_says,),
    "I9": (serving.answers_are_in_the_ledger, others.what_was_acknowledged_is_there),
    "I10": (others.nothing_is_stuck,),
    "I11": (lambda facts: iter(facts.after_replay),),
    "I12": (others.revoked_keys_are_refused,),
    "I13": (money.grants_burn_in_their_order,),
    "I14": (others.everybody_got_their_mail,),
    "I15": (lambda facts: iter(facts.leaks),),
    "I16": (lambda facts: iter(facts.trespasses),),
    "I17": (lambda facts: iter(facts.changed_rows),),
    "I18": (lambda facts: iter(facts.after_rebuild),),
}
TOLD_MAX = 20
"""Of one invariant: a thousand rows say no more."""


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text}"


def judge(facts: Facts) -> list[Violation]:
    return [Violation(name, text) for name, checks in CHECKS.items() for text in _told(checks, facts)]


def _told(checks: Iterable[Check], facts: Facts) -> list[str]:
    texts = [text for check in checks for text in check(facts)]
    more = len(texts) - TOLD_MAX
    return [*texts[:TOLD_MAX], f"and {more} more"] if more > 0 else texts


def figures(facts: Facts) -> dict[str, int]:
    """Counts for the table. `uncharged`: delivered and not charged, within the stated bounds."""
    rows = Counter(each.request_id for each in facts.usage)
    return {
        "requests": len(facts.asked) + len(facts.tried),
        "generated": len(facts.generations),
        "tokens": sum(each.tokens for each in facts.generations),
        "lost": sum(1 for _ in serving.each_generation_is_charged_once(facts)),
        "duplicated": sum(many - 1 for many in rows.values()) + serving.count_doubled(facts),
        "phantom": sum(1 for _ in serving.nothing_is_charged_that_was_not_generated(facts)),
        "overspent": sum(each.tokens_uncollected for each in facts.usage),
        "uncharged": serving.tokens_uncharged_within_bounds(facts),
        "undelivered": serving.count_undelivered(facts),
        "mails_again": facts.mails_again,
        "revocations": len(facts.revoked),
    }
