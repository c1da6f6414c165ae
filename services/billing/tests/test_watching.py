"""When an order is looked up again unasked, and what counts as a difference of the ledger."""

from datetime import timedelta

import pytest

from services.billing.domain.consequences import Consequence, Credited, Frozen, Released, Reversed
from services.billing.domain.ledger import LedgerGrant, find_difference, repairs
from services.billing.domain.orders import Standing, State
from services.billing.domain.payment_methods import Method
from services.billing.domain.truth import Payment
from services.billing.domain.watching import next_check_at, truth_without_checkout
from services.billing.tests.orders import CREATED_AT
from services.billing.use_cases.follow_events import PAUSE_MAX, pause_after

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("state", "method", "age", "pause"),
    [
        (State.OPEN, Method.STRIPE, MINUTE, MINUTE),
        (State.OPEN, Method.BTCPAY, DAY, MINUTE),
        (State.PROCESSING, Method.STRIPE, MINUTE, MINUTE),
        (State.PROCESSING, Method.STRIPE, 3 * DAY, HOUR),
        (State.PROCESSING, Method.STRIPE, 31 * DAY, None),
        (State.EXPIRED, Method.BTCPAY, 2 * HOUR, MINUTE),
        (State.EXPIRED, Method.BTCPAY, 26 * HOUR, None),
        (State.EXPIRED, Method.STRIPE, 2 * HOUR, None),
        (State.PAID, Method.STRIPE, DAY, DAY),
        (State.PAID, Method.STRIPE, 200 * DAY, None),
        (State.REFUNDED, Method.STRIPE, DAY, None),
    ],
)
def test_an_order_is_looked_up_as_long_as_it_can_change(
    state: State, method: Method, age: timedelta, pause: timedelta | None
) -> None:
    now = CREATED_AT + age
    expected = now + pause if pause else None
    assert next_check_at(state, method, created_at=CREATED_AT, now=now) == expected


def test_an_order_without_a_checkout_ends_after_an_hour() -> None:
    ages = {59 * MINUTE: Payment.OPEN, HOUR: Payment.EXPIRED}
    for age, payment in ages.items():
        assert truth_without_checkout(created_at=CREATED_AT, now=CREATED_AT + age).payment is payment


@pytest.mark.parametrize(
    ("standing", "grant", "differs"),
    [
        (Standing(State.PAID, 100), LedgerGrant(100, 0, is_frozen=False), False),
        (Standing(State.PAID, 100), LedgerGrant(100, 40, is_frozen=False), True),
        (Standing(State.PAID, 100), None, True),
        (Standing(State.PAID, 100), LedgerGrant(99, 0, is_frozen=False), True),
        (
            Standing(State.PARTIALLY_REFUNDED, 100, 40, "refunded"),
            LedgerGrant(100, 40, is_frozen=False),
            False,
        ),
        (
            Standing(State.PARTIALLY_REFUNDED, 100, 40, "refunded"),
            LedgerGrant(100, 39, is_frozen=False),
            True,
        ),
        (Standing(State.DISPUTED, 100, is_frozen=True), LedgerGrant(100, 0, is_frozen=False), True),
        (Standing(State.PAID, 100), LedgerGrant(100, 0, is_frozen=True), True),
    ],
)
def test_the_ledger_must_have_what_was_booked(
    standing: Standing, grant: LedgerGrant | None, differs: bool
) -> None:
    assert (find_difference(standing, grant) is not None) == differs


def test_an_event_that_cannot_be_followed_waits_ever_longer_up_to_a_bound() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, 60)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_MAX


@pytest.mark.parametrize(
    ("standing", "grant", "told"),
    [
        (Standing(State.PAID, 100), None, (Credited(100),)),
        (
            Standing(State.DISPUTED, 100, 40, "refunded", is_frozen=True),
            None,
            (Credited(100), Reversed(40, "refunded"), Frozen(60)),
        ),
        (
            Standing(State.PARTIALLY_REFUNDED, 100, 40, "refunded"),
            LedgerGrant(100, 39, is_frozen=False),
            (Reversed(40, "refunded"),),
        ),
        (
            Standing(State.DISPUTED, 100, is_frozen=True),
            LedgerGrant(100, 0, is_frozen=False),
            (Frozen(100),),
        ),
        (Standing(State.PAID, 100), LedgerGrant(100, 0, is_frozen=True), (Released(100),)),
        (Standing(State.PAID, 100), LedgerGrant(100, 40, is_frozen=False), (Reversed(0, "refunded"),)),
        (Standing(State.PAID, 100), LedgerGrant(99, 0, is_frozen=False), ()),
    ],
)
def test_the_ledger_is_told_again_only_what_it_lacks(
    standing: Standing, grant: LedgerGrant | None, told: tuple[Consequence, ...]
) -> None:
    assert repairs(standing, grant) == told
