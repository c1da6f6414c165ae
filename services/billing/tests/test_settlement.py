"""The state machine: each row of what can be true at a provider, and what is booked for it."""

from dataclasses import replace

import pytest

from services.billing.domain.consequences import (
    Credited,
    Frozen,
    Released,
    Reversed,
    consequences,
)
from services.billing.domain.orders import Order, Price, Standing, State
from services.billing.domain.reviews import DECISIONS, Decision, Reason
from services.billing.domain.settlement import decide
from services.billing.domain.truth import Dispute, DisputeState, Doubt, Payment, Truth
from services.billing.tests.orders import PRICE, TOKENS, an_order

PAID = Truth(Payment.PAID, PRICE, "test")
LOST, OPEN, WON, INQUIRY = (
    Dispute(PRICE.amount_cents, state)
    for state in (DisputeState.LOST, DisputeState.OPEN, DisputeState.WON, DisputeState.INQUIRY)
)


def credited(**changed: object) -> Order:
    standing = Standing(State.PAID, TOKENS)
    return an_order(standing=replace(standing, **changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("payment", "state"),
    [
        (Payment.OPEN, State.OPEN),
        (Payment.PROCESSING, State.PROCESSING),
        (Payment.FAILED, State.FAILED),
        (Payment.EXPIRED, State.EXPIRED),
        (Payment.MISSING, State.EXPIRED),
    ],
)
def test_what_is_not_paid_credits_nothing(payment: Payment, state: State) -> None:
    outcome = decide(an_order(), Truth(payment, PRICE, "test"), {})
    assert (outcome.standing, outcome.questions) == (Standing(state), ())


def test_a_paid_order_is_credited_with_its_own_tokens() -> None:
    outcome = decide(an_order(), PAID, {})
    assert outcome.standing == Standing(State.PAID, TOKENS)
    assert consequences(Standing(), outcome.standing) == (Credited(TOKENS),)


def test_an_order_that_had_failed_or_expired_is_credited_when_it_is_paid_after_all() -> None:
    for state in (State.FAILED, State.EXPIRED, State.PROCESSING):
        outcome = decide(an_order(standing=Standing(state)), PAID, {})
        assert outcome.standing.tokens_credited == TOKENS


@pytest.mark.parametrize(
    "truth",
    [
        replace(PAID, price=Price(199, "usd")),
        replace(PAID, price=Price(200, "eur")),
        replace(PAID, price=None),
        replace(PAID, seller="live"),
        replace(PAID, seller="another store"),
    ],
)
def test_another_amount_currency_mode_or_store_is_a_question(truth: Truth) -> None:
    outcome = decide(an_order(), truth, {})
    assert outcome.standing == Standing(State.REVIEW)
    assert [each.reason for each in outcome.questions] == [Reason.MISMATCH]


def test_a_payment_for_a_deleted_account_is_a_question_and_never_a_credit() -> None:
    order = an_order(account_is_deleted=True)
    question = decide(order, PAID, {}).questions[0]
    assert question.reason is Reason.ACCOUNT_DELETED
    assert decide(order, PAID, {question: Decision.DONE}).standing == Standing(State.FAILED)


@pytest.mark.parametrize(
    ("doubt", "payment", "reason"),
    [
        (Doubt.PAID_LATE, Payment.PAID, Reason.PAID_LATE),
        (Doubt.PAID_LATE, Payment.EXPIRED, Reason.PAID_LATE),
        (Doubt.PAID_PARTLY, Payment.EXPIRED, Reason.PAID_PARTLY),
        (Doubt.MARKED_PAID, Payment.PAID, Reason.MARKED_PAID),
    ],
)
def test_money_that_came_otherwise_than_agreed_is_a_question(
    doubt: Doubt, payment: Payment, reason: Reason
) -> None:
    truth = replace(PAID, payment=payment, doubt=doubt, paid_cents=100)
    outcome = decide(an_order(), truth, {})
    assert outcome.standing == Standing(State.REVIEW)
    assert [each.reason for each in outcome.questions] == [reason]


def test_the_answer_credit_credits_all_and_reject_nothing() -> None:
    truth = replace(PAID, doubt=Doubt.PAID_LATE, paid_cents=200)
    question = decide(an_order(), truth, {}).questions[0]
    assert decide(an_order(), truth, {question: Decision.CREDIT}).standing == Standing(State.PAID, TOKENS)
    assert decide(an_order(), truth, {question: Decision.REJECT}).standing == Standing(State.FAILED)


def test_a_part_that_is_accepted_credits_its_share() -> None:
    truth = replace(PAID, payment=Payment.EXPIRED, doubt=Doubt.PAID_PARTLY, paid_cents=50)
    question = decide(an_order(), truth, {}).questions[0]
    verdicts = {question: Decision.CREDIT_PART}
    assert decide(an_order(), truth, verdicts).standing.tokens_credited == TOKENS // 4


def test_more_money_is_another_question_though_the_first_was_answered() -> None:
    truth = replace(PAID, payment=Payment.EXPIRED, doubt=Doubt.PAID_PARTLY, paid_cents=50)
    question = decide(an_order(), truth, {}).questions[0]
    outcome = decide(an_order(), replace(truth, paid_cents=60), {question: Decision.REJECT})
    assert outcome.standing.state is State.REVIEW


def test_paid_too_much_credits_the_order_and_asks_for_the_rest_to_be_returned() -> None:
    truth = replace(PAID, paid_cents=300)
    outcome = decide(an_order(), truth, {})
    assert outcome.standing == Standing(State.PAID, TOKENS)
    assert [each.reason for each in outcome.questions] == [Reason.PAID_OVER]
    assert decide(credited(), truth, {outcome.questions[0]: Decision.DONE}).questions == ()


@pytest.mark.parametrize(
    ("refunded_cents", "tokens", "state"),
    [
        (0, 0, State.PAID),
        (50, TOKENS // 4, State.PARTIALLY_REFUNDED),
        (67, TOKENS * 67 // 200, State.PARTIALLY_REFUNDED),
        (200, TOKENS, State.REFUNDED),
        (999, TOKENS, State.REFUNDED),
    ],
)
def test_a_refund_takes_back_its_share_rounded_down(refunded_cents: int, tokens: int, state: State) -> None:
    after = decide(credited(), replace(PAID, refunded_cents=refunded_cents), {}).standing
    assert (after.tokens_reversed, after.state) == (tokens, state)


def test_a_second_partial_refund_tells_the_new_total_and_a_failed_one_the_old() -> None:
    first = decide(credited(), replace(PAID, refunded_cents=50), {}).standing
    second = decide(credited(**_of(first)), replace(PAID, refunded_cents=100), {}).standing
    assert consequences(first, second) == (Reversed(TOKENS // 2, "refunded"),)
    failed = decide(credited(**_of(second)), PAID, {}).standing
    assert consequences(second, failed) == (Reversed(0, "refunded"),)
    assert failed == Standing(State.PAID, TOKENS)


def test_an_inquiry_takes_nothing_and_freezes_nothing() -> None:
    assert decide(credited(), replace(PAID, disputes=(INQUIRY,)), {}).standing == Standing(State.PAID, TOKENS)


def test_a_dispute_freezes_what_is_left_of_the_pack() -> None:
    before = decide(credited(), replace(PAID, refunded_cents=50), {}).standing
    after = decide(credited(**_of(before)), replace(PAID, refunded_cents=50, disputes=(OPEN,)), {}).standing
    assert (after.state, after.is_frozen) == (State.DISPUTED, True)
    assert consequences(before, after) == (Frozen(TOKENS * 3 // 4),)


def test_a_dispute_won_releases_and_lost_reverses() -> None:
    frozen = decide(credited(), replace(PAID, disputes=(OPEN,)), {}).standing
    won = decide(credited(**_of(frozen)), replace(PAID, disputes=(WON,)), {}).standing
    lost = decide(credited(**_of(frozen)), replace(PAID, disputes=(LOST,)), {}).standing
    assert (consequences(frozen, won), won.state) == ((Released(TOKENS),), State.PAID)
    assert (consequences(frozen, lost), lost.state) == (
        (Reversed(TOKENS, "dispute_lost"),),
        State.DISPUTE_LOST,
    )


def test_a_dispute_won_on_appeal_gives_back_what_was_reversed() -> None:
    lost = decide(credited(), replace(PAID, disputes=(LOST,)), {}).standing
    won = decide(credited(**_of(lost)), replace(PAID, disputes=(WON,)), {}).standing
    assert consequences(lost, won) == (Reversed(0, "dispute_lost"),)


def test_a_refund_during_a_dispute_ends_no_freeze() -> None:
    frozen = decide(credited(), replace(PAID, disputes=(OPEN,)), {}).standing
    after = decide(credited(**_of(frozen)), replace(PAID, refunded_cents=50, disputes=(OPEN,)), {}).standing
    assert consequences(frozen, after) == (
        Reversed(TOKENS // 4, "refunded"),
        Frozen(TOKENS * 3 // 4),
    )


def test_what_was_paid_and_returned_before_we_looked_is_never_credited() -> None:
    assert decide(an_order(), replace(PAID, refunded_cents=200), {}).standing == Standing(State.REFUNDED)
    assert decide(an_order(), replace(PAID, disputes=(LOST,)), {}).standing == Standing(State.DISPUTE_LOST)


def test_an_invoice_marked_invalid_after_its_credit_is_a_question() -> None:
    truth = Truth(Payment.FAILED, PRICE, "test")
    outcome = decide(credited(), truth, {})
    assert outcome.standing == Standing(State.PAID, TOKENS)
    assert [each.reason for each in outcome.questions] == [Reason.INVALID_AFTER_CREDIT]
    reversed_now = decide(credited(), truth, {outcome.questions[0]: Decision.REVERSE}).standing
    assert reversed_now.tokens_reversed == TOKENS
    assert decide(credited(), truth, {outcome.questions[0]: Decision.KEEP}).standing.tokens_reversed == 0


def test_a_refund_at_btcpay_that_nobody_can_look_up_is_a_question() -> None:
    order = replace(credited(), refund_is_announced=True)
    question = decide(order, PAID, {}).questions[0]
    assert question.reason is Reason.REFUND_ANNOUNCED
    assert decide(order, PAID, {question: Decision.REVERSE}).standing.state is State.REFUNDED


def test_a_provider_that_forgot_a_credited_order_changes_nothing() -> None:
    assert decide(credited(), Truth(Payment.MISSING), {}).standing == Standing(State.PAID, TOKENS)


def test_every_question_has_an_answer() -> None:
    assert all(DECISIONS[reason] for reason in Reason)


def _of(standing: Standing) -> dict[str, object]:
    return {name: getattr(standing, name) for name in standing.__dataclass_fields__}
