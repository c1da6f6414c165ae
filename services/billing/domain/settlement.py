"""The order's state machine: what is to be booked, given what is true at the provider now.

Nothing depends on which event told of it or what was true before, apart from one fact that is not taken back:
tokens are credited once. What is reversed or frozen follows the provider, also back again. So order and
repetition do no harm.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from services.billing.domain.orders import Order, ReversalReason, Standing, State
from services.billing.domain.reviews import REASON_OF_DOUBT, Decision, Question, Reason, Verdicts
from services.billing.domain.truth import DisputeState, Doubt, Payment, Truth


@dataclass(frozen=True, slots=True)
class Outcome:
    """`questions` is what a human is asked now; others that are still open have been overtaken."""

    standing: Standing
    questions: tuple[Question, ...] = ()


STATE_OF_UNPAID = {
    Payment.OPEN: State.OPEN,
    Payment.PROCESSING: State.PROCESSING,
    Payment.FAILED: State.FAILED,
    Payment.EXPIRED: State.EXPIRED,
    Payment.MISSING: State.EXPIRED,
}


def decide(order: Order, truth: Truth, verdicts: Verdicts) -> Outcome:
    if order.standing.tokens_credited:
        return _after_credit(order, truth, verdicts)
    if truth.payment is not Payment.PAID and truth.doubt is None:
        return Outcome(replace(order.standing, state=STATE_OF_UNPAID[truth.payment]))
    return _with_money(order, truth, verdicts)


def _with_money(order: Order, truth: Truth, verdicts: Verdicts) -> Outcome:
    """Money came, and nothing is credited yet."""
    if _lost_cents(truth) >= order.price.amount_cents:
        return Outcome(replace(order.standing, state=_state_of_reversed(truth)))
    for question in _questions_before_credit(order, truth):
        match verdicts.get(question):
            case None:
                return Outcome(replace(order.standing, state=State.REVIEW), (question,))
            case Decision.REJECT | Decision.DONE:
                return Outcome(replace(order.standing, state=State.FAILED))
    tokens = _tokens_to_credit(order, truth)
    credited = replace(order, standing=replace(order.standing, state=State.PAID, tokens_credited=tokens))
    return _after_credit(credited, truth, verdicts)


def _questions_before_credit(order: Order, truth: Truth) -> Iterator[Question]:
    """Whether the order can be credited at all comes before how."""
    if order.account_is_deleted:
        yield Question(Reason.ACCOUNT_DELETED, f"{order.price} paid for an account that was deleted")
    if (truth.price, truth.seller) != (order.price, order.seller):
        yield Question(
            Reason.MISMATCH, f"{truth.price} to {truth.seller}, ordered {order.price} from {order.seller}"
        )
    if truth.doubt:
        yield Question(REASON_OF_DOUBT[truth.doubt], _paid_of(order, truth))


def _tokens_to_credit(order: Order, truth: Truth) -> int:
    """At most what was ordered; of a part, its share rounded down, and never nothing."""
    if truth.doubt is not Doubt.PAID_PARTLY or truth.paid_cents is None:
        return order.tokens
    paid_cents = min(truth.paid_cents, order.price.amount_cents)
    return max(1, order.tokens * paid_cents // order.price.amount_cents)


def _after_credit(order: Order, truth: Truth, verdicts: Verdicts) -> Outcome:
    if truth.payment is Payment.MISSING:
        return Outcome(order.standing)
    questions = tuple(_questions_after_credit(order, truth))
    told_to_reverse = any(verdicts.get(each) is Decision.REVERSE for each in questions)
    target = order.standing.tokens_credited if told_to_reverse else _tokens_lost(order, truth)
    standing = _stand(order.standing, truth, tokens_reversed=target)
    return Outcome(standing, tuple(each for each in questions if each not in verdicts))


def _questions_after_credit(order: Order, truth: Truth) -> Iterator[Question]:
    if truth.payment is not Payment.PAID and truth.doubt is None:
        yield Question(Reason.INVALID_AFTER_CREDIT, f"the provider now says: {truth.payment.value}")
    if truth.paid_cents is not None and truth.paid_cents > order.price.amount_cents:
        yield Question(Reason.PAID_OVER, _paid_of(order, truth))
    if order.refund_is_announced:
        yield Question(
            Reason.REFUND_ANNOUNCED, "a refund was made at the provider, which does not say how much"
        )


def _tokens_lost(order: Order, truth: Truth) -> int:
    """The target of the reversal: of all that was credited the share of the money that is gone, rounded down."""
    lost_cents = min(_lost_cents(truth), order.price.amount_cents)
    return order.standing.tokens_credited * lost_cents // order.price.amount_cents


def _lost_cents(truth: Truth) -> int:
    return truth.refunded_cents + sum(
        each.amount_cents for each in truth.disputes if each.state is DisputeState.LOST
    )


def _stand(before: Standing, truth: Truth, *, tokens_reversed: int) -> Standing:
    remain = tokens_reversed < before.tokens_credited
    is_frozen = remain and _has_dispute(truth, DisputeState.OPEN)
    return replace(
        before,
        state=_state(truth, is_frozen=is_frozen, remain=remain, tokens_reversed=tokens_reversed),
        tokens_reversed=tokens_reversed,
        reversed_for=_reversed_for(truth) if tokens_reversed else None,
        is_frozen=is_frozen,
    )


def _state(truth: Truth, *, is_frozen: bool, remain: bool, tokens_reversed: int) -> State:
    if is_frozen:
        return State.DISPUTED
    if not remain:
        return _state_of_reversed(truth)
    if _has_dispute(truth, DisputeState.LOST):
        return State.DISPUTE_LOST
    return State.PARTIALLY_REFUNDED if tokens_reversed else State.PAID


def _state_of_reversed(truth: Truth) -> State:
    return State.DISPUTE_LOST if _has_dispute(truth, DisputeState.LOST) else State.REFUNDED


def _reversed_for(truth: Truth) -> ReversalReason:
    return "dispute_lost" if _has_dispute(truth, DisputeState.LOST) else "refunded"


def _has_dispute(truth: Truth, state: DisputeState) -> bool:
    return any(each.state is state for each in truth.disputes)


def _paid_of(order: Order, truth: Truth) -> str:
    paid = (
        "an amount it does not name"
        if truth.paid_cents is None
        else replace(order.price, amount_cents=truth.paid_cents)
    )
    return f"paid {paid} of {order.price}"
