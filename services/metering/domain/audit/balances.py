"""I1: an account's balance, what is left in each of its grants and its daily totals are the sums of the rows
they are made of."""

from collections.abc import Iterable, Iterator, Sequence

from services.metering.domain.audit.facts import (
    AccountFacts,
    GrantFacts,
    PurchaseFacts,
    UnlikeDay,
    UnlikeUsage,
)
from services.metering.domain.audit.findings import Check, Finding


def differing_balances(account: AccountFacts, grants: Sequence[GrantFacts]) -> Iterator[Finding]:
    entered = sum(grant.entered for grant in grants)
    if account.balance != entered:
        yield _finding(
            account.account_id,
            f"account {account.account_id}",
            f"balance {account.balance}, its entries sum to {entered}",
        )
    if entered < 0:
        yield _finding(
            account.account_id, f"account {account.account_id} below zero", f"entries sum to {entered}"
        )
    for grant in grants:
        for text in _faults_of(grant):
            yield _finding(account.account_id, f"grant {grant.grant_id} ({grant.source})", text)


def _faults_of(grant: GrantFacts) -> Iterator[str]:
    if grant.fillings != 1 or grant.filled != grant.tokens:
        yield f"given {grant.tokens}, but {grant.fillings} entries filled it with {grant.filled}"
    elif grant.remaining != grant.entered:
        yield (
            f"{grant.remaining} remain; granted {grant.filled}, used {-grant.used}, expired {-grant.expired}, "
            f"reversed {-grant.reversed}, deducted {-grant.adjusted} leave {grant.entered}"
        )
    if not 0 <= grant.entered <= grant.tokens:
        yield f"its entries sum to {grant.entered}, outside 0 to {grant.tokens}"


def differing_purchases(purchases: Iterable[PurchaseFacts]) -> Iterator[Finding]:
    for purchase in purchases:
        if purchase.tokens_reversed != purchase.reversed_by_entries:
            yield _finding(
                purchase.account_id,
                f"purchase {purchase.purchase_id}",
                f"{purchase.tokens_reversed} reversed, its entries took {purchase.reversed_by_entries}",
            )


def differing_usage(rows: Iterable[UnlikeUsage]) -> Iterator[Finding]:
    for row in rows:
        yield _finding(
            row.account_id,
            f"request {row.request_id} revision {row.revision}",
            f"usage charges {_or_none(row.charged)}, entries collected {_or_none(row.collected)}",
        )


def differing_days(rows: Iterable[UnlikeDay]) -> Iterator[Finding]:
    for row in rows:
        yield _finding(
            row.account_id,
            f"day {row.day} of {row.account_id}, {row.model}, key {row.key_id}",
            "total of requests/prompt/completion/cached is "
            f"{_slashed(row.total)}, its requests sum to {_slashed(row.counted)}",
        )


def _finding(account_id: str, subject: str, text: str) -> Finding:
    return Finding(Check.BALANCES, subject, text, account_id)


def _or_none(tokens: int | None) -> str:
    return "nothing (no row)" if tokens is None else str(tokens)


def _slashed(numbers: Iterable[int]) -> str:
    return "/".join(map(str, numbers))
