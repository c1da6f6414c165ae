"""Payments, acknowledgements, what waits, revocations, mails."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.checker.facts import AtProvider, Facts, Order
from tests.chaos.history import Revoked, Tried

REVOKED_WITHIN_SECONDS = 1.0
RECOVERS_WITHIN_SECONDS = 10.0
"""After a fault, a revocation may take as long as its way to Redis was closed."""
ADMITTED = (200, 402, 429, 502, 504)
"""What only a key that works is told."""
REFUSABLE = ("refused",)


def each_paid_order_is_credited_once(facts: Facts) -> Iterator[str]:
    credits = Counter(grant.source for grant in facts.grants)
    tokens = {grant.source: grant.tokens for grant in facts.grants}
    for order in facts.orders:
        truth, source = _truth(facts, order), f"purchase:{order.order_id}"
        if credits[source] > 1:
            yield f"order {order.order_id} is credited {credits[source]} times"
        if not truth.is_paid and credits[source]:
            yield f"order {order.order_id} is credited and was never paid"
        if truth.is_paid and truth.lost_cents < order.amount_cents and not credits[source]:
            yield f"order {order.order_id} is paid and not credited ({order.state})"
        if credits[source] and tokens[source] != order.tokens:
            yield f"order {order.order_id} is for {order.tokens}, credited are {tokens[source]}"
    known = {f"purchase:{order.order_id}" for order in facts.orders}
    for source in credits:
        if source.startswith("purchase:") and source not in known:
            yield f"{source} is credited and was never ordered"


def reversals_are_what_the_provider_says(facts: Facts) -> Iterator[str]:
    sources = {grant.source for grant in facts.grants}
    for order in facts.orders:
        if f"purchase:{order.order_id}" not in sources or order.tokens_to_reverse is None:
            continue
        truth = _truth(facts, order)
        expected = order.tokens * min(truth.lost_cents, order.amount_cents) // order.amount_cents
        if order.tokens_to_reverse != expected:
            yield f"order {order.order_id}: {order.tokens_to_reverse} are reversed, {expected} should be"
        if order.is_frozen != (truth.has_open_dispute and expected < order.tokens):
            yield f"order {order.order_id}: frozen is {order.is_frozen}"


def what_was_acknowledged_is_there(facts: Facts) -> Iterator[str]:
    for event_id in sorted(facts.hooks_taken - facts.hooks_kept):
        yield f"event {event_id} was answered 200, and nobody has it"
    for registered in facts.registered:
        if registered.email not in facts.emails:
            yield f"{registered.email} was registered, and there is no such account"
    orders = {order.order_id for order in facts.orders}
    for ordered in facts.ordered:
        if ordered.purchase_id not in orders:
            yield f"order {ordered.purchase_id} was answered, and there is none"
    yield from _changes(facts)


def _changes(facts: Facts) -> Iterator[str]:
    for change in facts.changed:
        entered = facts.adjustments.get(change.action_id)
        if change.is_done and entered != change.delta:
            yield f"change {change.action_id} by {change.delta} was done, and the ledger has {entered}"


def nothing_is_stuck(facts: Facts) -> Iterator[str]:
    for what, count in facts.waiting.items():
        if count and what != "leases":
            yield f"{count} left of {what}"


def revoked_keys_are_refused(facts: Facts) -> Iterator[str]:
    for revoked in facts.revoked:
        for tried in facts.tried:
            late = tried.sent_at - revoked.answered_at
            if (
                _is_accepted(tried, revoked)
                and late > REVOKED_WITHIN_SECONDS
                and not _is_excused(facts, revoked)
            ):
                yield f"{revoked.key_display} was accepted {late:.2f} s after its end"


def revocation_seconds(facts: Facts) -> list[float]:
    """Per revocation: until the last request was sent that was still let in; 0 where none was. Those during a
    fault are left out."""
    return [
        max(
            (
                each.sent_at - revoked.answered_at
                for each in facts.tried
                if _is_accepted(each, revoked) and each.sent_at > revoked.answered_at
            ),
            default=0.0,
        )
        for revoked in facts.revoked
        if not _is_excused(facts, revoked)
    ]


def _is_accepted(tried: Tried, revoked: Revoked) -> bool:
    return tried.key_display == revoked.key_display and tried.status in ADMITTED


def _is_excused(facts: Facts, revoked: Revoked) -> bool:
    return any(
        fault.begun_at - REVOKED_WITHIN_SECONDS
        <= revoked.answered_at
        <= fault.mended_at + RECOVERS_WITHIN_SECONDS
        for fault in facts.faults
    )


def everybody_got_their_mail(facts: Facts) -> Iterator[str]:
    asked_for = {mail.event_id for mail in facts.mails}
    for event_id, kind in facts.tidings.items():
        if event_id not in asked_for:
            yield f"{kind} {event_id} led to no mail"
    for mail in facts.mails:
        if mail.state == "sent" and not mail.accepted:
            yield f"mail {mail.event_id} ({mail.kind}) is noted as sent, and no server took it"
        if mail.state == "given_up":
            yield f"mail {mail.event_id} ({mail.kind}) was given up"
    refused = sum(mail.state in REFUSABLE for mail in facts.mails)
    if refused > facts.mails_may_be_refused:
        yield f"{refused} mails are refused, of {facts.mails_may_be_refused} that were to be"


def _truth(facts: Facts, order: Order) -> AtProvider:
    nothing = AtProvider("", is_paid=False, lost_cents=0, has_open_dispute=False)
    return facts.at_provider.get(order.provider_id or "", nothing)
