"""Whatever happened before, in any order and again: the present decides, and nothing is credited twice."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.consequences import Consequence, Credited, consequences
from services.billing.domain.orders import Standing, State
from services.billing.domain.reviews import DECISIONS, Decision, Question
from services.billing.domain.settlement import decide
from services.billing.domain.truth import Dispute, DisputeState, Doubt, Payment, Truth
from services.billing.tests.orders import PRICE, TOKENS, an_order

PAID = Truth(Payment.PAID, PRICE, "test")
OPEN = Dispute(PRICE.amount_cents, DisputeState.OPEN)

HISTORY = [
    Truth(Payment.OPEN, PRICE, "test"),
    Truth(Payment.PROCESSING, PRICE, "test"),
    PAID,
    replace(PAID, refunded_cents=50),
    replace(PAID, refunded_cents=50, disputes=(OPEN,)),
]


@pytest.mark.parametrize("order_of_looking", list(permutations(range(4))))
def test_whatever_was_seen_before_the_last_look_decides(order_of_looking: tuple[int, ...]) -> None:
    """Looks in any order, each one twice, then the present: the same standing, and one credit in all."""
    order = an_order()
    told: list[Consequence] = []
    for truth in [*(HISTORY[each] for each in order_of_looking for _ in range(2)), HISTORY[-1]]:
        after = decide(order, truth, {}).standing
        told += consequences(order.standing, after)
        order = replace(order, standing=after)
    assert order.standing == Standing(State.DISPUTED, TOKENS, TOKENS // 4, "refunded", is_frozen=True)
    assert sum(isinstance(each, Credited) for each in told) == 1


amounts = st.integers(0, 400)
disputes = st.lists(st.builds(Dispute, st.integers(1, 200), st.sampled_from(DisputeState)), max_size=2).map(
    tuple
)
truths = st.builds(
    Truth,
    st.sampled_from(Payment),
    st.just(PRICE),
    st.just("test"),
    st.sampled_from([None, *Doubt]),
    st.one_of(st.none(), amounts),
    amounts,
    disputes,
)
verdicts = st.sampled_from([None, *Decision])


@given(st.lists(st.tuples(truths, verdicts), max_size=8))
def test_no_history_credits_twice_or_more_than_was_ordered(
    history: list[tuple[Truth, Decision | None]],
) -> None:
    order = an_order()
    answers: dict[Question, Decision] = {}
    credits = 0
    for truth, verdict in history:
        outcome = decide(order, truth, answers)
        if verdict:
            answers |= {each: verdict for each in outcome.questions if verdict in DECISIONS[each.reason]}
        told = consequences(order.standing, outcome.standing)
        credits += sum(isinstance(each, Credited) for each in told)
        after = outcome.standing
        assert 0 <= after.tokens_reversed <= after.tokens_credited <= TOKENS
        assert (after.tokens_reversed > 0) == (after.reversed_for is not None)
        assert not after.is_frozen or after.tokens_reversed < after.tokens_credited
        order = replace(order, standing=after)
    assert credits <= 1
