"""Lays the ledger beside the stand-in's own log, request by request, by account and prompt length.

The rules are ARCHITECTURE.md's table of who pays; what is returned is each place where the two do not agree."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from shared.ids import AccountId
from tests.support.fleet import Fleet
from tests.support.ledger import Account, Ledger, Usage
from tests.support.money_in_redis import until_quiet
from tests.support.newcomers import Newcomer
from tests.support.paced_upstream import Generated

IN_FLIGHT_TOKENS_MAX = 3
"""Generated for a client who had left, before the upstream heard of it."""

LAST_WORD_WITHIN_SECONDS = 5

Identity = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """`problems` is empty when all is well; the rest is for the reader."""

    problems: list[str]
    outcomes: Counter[str]
    generations: int
    tokens_generated: int
    tokens_charged: int
    in_flight: Counter[int]
    """How many requests had so many tokens under way when their client left."""


async def reconcile(fleet: Fleet, newcomers: Sequence[Newcomer]) -> Reconciled:
    """The last word of both: a request whose client left at once may still be on its way."""
    deadline = time.monotonic() + LAST_WORD_WITHIN_SECONDS
    while (reconciled := await _reconcile(fleet, newcomers)).problems and time.monotonic() < deadline:
        await until_quiet(fleet.stack.backing.redis, newcomers)
    return reconciled


async def _reconcile(fleet: Fleet, newcomers: Sequence[Newcomer]) -> Reconciled:
    accounts = [each.account_id for each in newcomers]
    ledger = Ledger(fleet.stack.backing.postgres)
    usage, books = await ledger.usage(accounts), await ledger.accounts(accounts)
    generated = [each for each in fleet.upstream_log.generations() if each.name[:8] in set(accounts)]
    charged = {(row.account_id, row.tokens_prompt): row for row in usage}
    problems = [
        *_doubled(generated, usage),
        *_disagreements(generated, charged),
        *_out_of_balance(books, usage, accounts),
    ]
    return Reconciled(
        problems,
        Counter(row.outcome for row in usage),
        len(generated),
        sum(each.tokens for each in generated),
        sum(row.tokens for row in usage),
        Counter(_in_flight(each, row) for each, row in _left(generated, charged)),
    )


def identity_of(generated: Generated) -> Identity:
    return generated.name[:8], generated.tokens_prompt


def _doubled(generated: Iterable[Generated], usage: Iterable[Usage]) -> Iterator[str]:
    seen = Counter(identity_of(each) for each in generated if not _is_free(each))
    rows = Counter((row.account_id, row.tokens_prompt) for row in usage if row.tokens)
    yield from (f"generated {times} times: {each}" for each, times in seen.items() if times > 1)
    yield from (f"charged {times} times: {each}" for each, times in rows.items() if times > 1)


def _disagreements(generated: Iterable[Generated], charged: dict[Identity, Usage]) -> Iterator[str]:
    found = {identity_of(each): each for each in sorted(generated, key=_is_free, reverse=True)}
    for identity, row in charged.items():
        if identity not in found:
            yield f"charged and never generated: {row}"
    for identity, each in found.items():
        if problem := _problem_of(each, charged.get(identity)):
            yield f"{problem}: {each}, {charged.get(identity)}"


def _problem_of(each: Generated, row: Usage | None) -> str | None:
    if row is None:
        return None if _is_free(each) else "generated and not charged"
    in_flight = _in_flight(each, row)
    allowed = IN_FLIGHT_TOKENS_MAX if row.outcome == "client_disconnected" else 0
    if not 0 <= in_flight <= allowed:
        return f"{in_flight} tokens more generated than charged"
    return None


def _is_free(each: Generated) -> bool:
    """Nothing of it was delivered: the upstream broke, or its client left as it was being sent."""
    return each.tokens_completion == 0 or (each.breaks and not each.is_stream)


def _left(
    generated: Iterable[Generated], charged: dict[Identity, Usage]
) -> Iterator[tuple[Generated, Usage]]:
    for each in generated:
        row = charged.get(identity_of(each))
        if row is not None and row.outcome == "client_disconnected":
            yield each, row


def _in_flight(each: Generated, row: Usage) -> int:
    return each.tokens_completion - row.tokens_completion


def _out_of_balance(
    books: Iterable[Account], usage: Iterable[Usage], accounts: Iterable[AccountId]
) -> Iterator[str]:
    spent: defaultdict[str, int] = defaultdict(int)
    for row in usage:
        spent[row.account_id] += row.tokens - row.tokens_uncollected
        if row.tokens_posted != row.tokens - row.tokens_uncollected:
            yield f"entries are not the usage: {row}"
    yield from (f"uncollected: {row}" for row in usage if row.tokens_uncollected)
    yield from (f"not in the ledger: {missing}" for missing in set(accounts) - {b.account_id for b in books})
    for book in books:
        left = book.tokens_granted - spent[book.account_id]
        if not book.balance == book.tokens_entered == book.tokens_remaining == left:
            yield f"granted less spent is {left}: {book}"
