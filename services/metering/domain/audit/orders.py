"""I7: what was given was paid for, or is the one trial; each order and each trial gave once, its own amount."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.metering.domain.audit.facts import GrantFacts
from services.metering.domain.audit.findings import Check, Finding

ON_ITS_WAY = timedelta(seconds=60)
"""An event from another service may be that late before it counts as missing."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a source gave: `tokens` as its entries say."""

    account_id: str
    source: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Order:
    """A purchase as billing knows it. `changed_at`: when it was paid, or else made."""

    purchase_id: str
    account_id: str
    tokens: int
    is_credited: bool
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Registration:
    account_id: str
    registered_at: datetime
    has_trial: bool


def odd_grants(grants: Iterable[GrantFacts]) -> Iterator[Finding]:
    """Without asking anybody: a trial is the account's own and the only one, and an operator's gift is noted."""
    for grant in grants:
        text = None
        if grant.source not in _sources_of(grant):
            text = f"{grant.filled} tokens as a {grant.kind}, which this source cannot give"
        elif grant.source.startswith("adjustment:") and grant.filled != grant.adjustment_delta:
            text = f"{grant.filled} tokens, the operator's adjustment was of {grant.adjustment_delta}"
        if text is not None:
            subject = f"grant {grant.grant_id} ({grant.source})"
            yield Finding(Check.ORDERS, subject, text, grant.account_id)


def _sources_of(grant: GrantFacts) -> tuple[str, ...]:
    """Each kind's sources: an id of its own, or of the grant."""
    its_own = grant.source.partition(":")[2]
    match grant.kind:
        case "trial":
            return f"trial:{grant.account_id}", f"operator:{grant.grant_id}"
        case "adjustment":
            return f"adjustment:{its_own}", f"credit:{grant.grant_id}"
        case _:
            return (f"purchase:{its_own}",)


def differing_orders(orders: Iterable[Order], given: Mapping[str, Given], now: datetime) -> Iterator[Finding]:
    """`given` by source."""
    for order in orders:
        credit = given.get(f"purchase:{order.purchase_id}")
        text = _fault_of(order, credit)
        if text is not None and now - order.changed_at > ON_ITS_WAY:
            yield Finding(Check.ORDERS, f"order {order.purchase_id}", text, order.account_id)


def _fault_of(order: Order, credit: Given | None) -> str | None:
    if credit is None:
        return f"paid, {order.tokens} tokens, and not credited" if order.is_credited else None
    if not order.is_credited:
        return f"not paid, and credited with {credit.tokens} tokens"
    if (credit.account_id, credit.tokens) != (order.account_id, order.tokens):
        return (
            f"{order.tokens} tokens for {order.account_id}, credited {credit.tokens} to {credit.account_id}"
        )
    return None


def credits_without_order(given: Iterable[Given], known_orders: Collection[str]) -> Iterator[Finding]:
    for credit in given:
        if credit.source.removeprefix("purchase:") not in known_orders:
            text = f"{credit.tokens} tokens were credited, and billing knows no such order"
            yield Finding(Check.ORDERS, f"grant {credit.source}", text, credit.account_id)


def differing_trials(
    registrations: Iterable[Registration],
    trials: Mapping[str, Given],
    accounts: Collection[str],
    now: datetime,
) -> Iterator[Finding]:
    """`trials` by account; `accounts`: those that the ledger knows."""
    for each in registrations:
        text = None
        if each.account_id not in accounts:
            text = "registered, and the ledger does not know it"
        elif each.has_trial and each.account_id not in trials:
            text = "registered with a trial, and none was granted"
        elif not each.has_trial and each.account_id in trials:
            text = f"registered without a trial, and granted one of {trials[each.account_id].tokens}"
        if text is not None and now - each.registered_at > ON_ITS_WAY:
            yield Finding(Check.ORDERS, f"account {each.account_id}", text, each.account_id)


def unregistered(open_accounts: Iterable[str], registered: Collection[str]) -> Iterator[Finding]:
    for account_id in open_accounts:
        if account_id not in registered:
            text = "open in the ledger, and accounts does not know it"
            yield Finding(Check.ORDERS, f"account {account_id}", text, account_id)
