"""Balances: what was given, what was taken, and whether Redis says the same."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from tests.chaos.checker.facts import Entry, Facts, Grant

NEVER = datetime.max.replace(tzinfo=UTC)


def entries_are_the_balance(facts: Facts) -> Iterator[str]:
    entered: defaultdict[str, int] = defaultdict(int)
    filled: defaultdict[str, int] = defaultdict(int)
    for entry in facts.entries:
        entered[entry.account_id] += entry.tokens
        filled[entry.grant_id] += entry.tokens
    remaining: defaultdict[str, int] = defaultdict(int)
    for grant in facts.grants:
        remaining[grant.account_id] += grant.remaining
        if filled[grant.grant_id] != grant.remaining:
            yield f"grant {grant.grant_id} has {grant.remaining}, its entries come to {filled[grant.grant_id]}"
    for book in facts.books:
        sums = (book.balance, entered[book.account_id], remaining[book.account_id])
        if len(set(sums)) > 1:
            yield f"{book.account_id}: balance, entries and grants are {sums}"
    for row in facts.usage:
        if row.tokens_posted != row.tokens - row.tokens_uncollected:
            yield f"request {row.request_id}: {row.tokens} charged, {row.tokens_posted} entered"


def nothing_is_overspent(facts: Facts) -> Iterator[str]:
    """Debts of reversals aside: money that is taken back may have been spent. What a dispute freezes leaves Redis at
    once, and requests may run on it: as far as that purchase goes they have cover, and no further, and nobody is let in
    until there is something again."""
    frozen = {book.account_id: book.tokens_frozen for book in facts.books}
    reversed_ones = {book.account_id for book in facts.books if book.was_reversed}
    for row in facts.usage:
        if row.tokens_uncollected and row.account_id not in reversed_ones:
            yield f"request {row.request_id} of {row.account_id}: {row.tokens_uncollected} tokens had no cover"
    for book in facts.books:
        if book.balance < 0:
            yield f"{book.account_id}: the balance is {book.balance}"
    for account_id, tokens in facts.lowest.items():
        if tokens + frozen.get(account_id, 0) < 0 and account_id not in reversed_ones:
            yield f"{account_id}: {tokens} were free in Redis"
    yield from facts.uncovered


def every_hold_has_ended(facts: Facts) -> Iterator[str]:
    for account_id, seen in facts.in_redis.items():
        for request_id in seen.holds:
            yield f"{account_id} still holds for {request_id}"
        if seen.held:
            yield f"{account_id}: {seen.held} tokens are held"
    if leases := facts.waiting.get("leases"):
        yield f"{leases} leases are left"


def redis_says_what_the_ledger_says(facts: Facts) -> Iterator[str]:
    frozen: defaultdict[str, int] = defaultdict(int)
    for grant in facts.grants:
        frozen[grant.account_id] += grant.remaining if grant.is_frozen else 0
    for book in facts.books:
        seen = facts.in_redis.get(book.account_id)  # type: ignore[call-overload]
        if seen is None or seen.state == "absent":
            continue
        said = seen.posted + sum(each.tokens for each in seen.grants.values())
        expected = book.balance - frozen[book.account_id] - book.owed
        if said != expected:
            yield f"{book.account_id}: Redis has {said}, the ledger {expected}"
        if seen.journalled or seen.journal:
            yield f"{book.account_id}: {seen.journalled} tokens are journalled, {len(seen.journal)} requests"
        if seen.state != "open":
            yield f"{book.account_id} is {seen.state}"


def grants_burn_in_their_order(facts: Facts) -> Iterator[str]:
    """After each posting: whatever it took from, nothing that goes first had anything left."""
    skipped = {book.account_id for book in facts.books if book.was_frozen}
    grants = {grant.grant_id: grant for grant in facts.grants if grant.account_id not in skipped}
    left: dict[str, int] = {}
    for postings in _postings(entry for entry in facts.entries if entry.grant_id in grants):
        for entry in postings:
            left[entry.grant_id] = left.get(entry.grant_id, 0) + entry.tokens
        admitted_at = postings[0].admitted_at
        if postings[0].kind != "usage" or admitted_at is None:
            continue
        last = max((grants[entry.grant_id] for entry in postings), key=_rank)
        for grant_id, tokens in left.items():
            first = grants[grant_id]
            if first.account_id == last.account_id and tokens > 0 and _goes_first(first, last, admitted_at):
                yield f"request {postings[0].request_id} took from {last.source}, and {first.source} had {tokens}"


def _postings(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    """The entries of one request's revision together; others alone."""
    group: list[Entry] = []
    for entry in entries:
        if group and (entry.request_id is None or _of(entry) != _of(group[0])):
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


def _of(entry: Entry) -> tuple[str | None, int | None]:
    return entry.request_id, entry.revision


def _goes_first(first: Grant, last: Grant, at: datetime) -> bool:
    is_valid = first.expires_at is None or first.expires_at > at
    return is_valid and _rank(first) < _rank(last)


def _rank(grant: Grant) -> tuple[datetime, datetime, str]:
    return grant.expires_at or NEVER, grant.created_at, grant.grant_id
