"""What a provider's object says, in our words: every status that the providers document."""

from typing import Any

import pytest

from services.billing.domain.btcpay_truth import decimal_amount, truth_of_invoice
from services.billing.domain.orders import Price
from services.billing.domain.stripe_truth import DISPUTE_STATES, truth_of_session
from services.billing.domain.truth import DisputeState, Doubt, Payment

SESSION: dict[str, Any] = {
    "status": "complete",
    "payment_status": "paid",
    "amount_total": 200,
    "currency": "usd",
    "livemode": False,
    "payment_intent": {
        "id": "pi_1",
        "status": "succeeded",
        "latest_charge": {"id": "ch_1", "amount_refunded": 0, "disputed": False},
    },
}
INVOICE: dict[str, Any] = {
    "storeId": "store",
    "amount": "2.00",
    "paidAmount": "2.00",
    "currency": "USD",
    "status": "Settled",
    "additionalStatus": "None",
}


def test_a_paid_session_is_paid_in_its_own_currency_and_mode() -> None:
    truth = truth_of_session(SESSION, [])
    assert (truth.payment, truth.price, truth.seller) == (Payment.PAID, Price(200, "usd"), "test")
    assert truth_of_session({**SESSION, "livemode": True}, []).seller == "live"


@pytest.mark.parametrize(
    ("status", "payment_status", "intent", "payment"),
    [
        ("open", "unpaid", None, Payment.OPEN),
        ("expired", "unpaid", None, Payment.EXPIRED),
        ("complete", "unpaid", "processing", Payment.PROCESSING),
        ("complete", "unpaid", "requires_action", Payment.PROCESSING),
        ("complete", "unpaid", "requires_payment_method", Payment.FAILED),
        ("complete", "unpaid", "canceled", Payment.FAILED),
        ("complete", "no_payment_required", None, Payment.PAID),
    ],
)
def test_a_session_says_how_far_the_payment_is(
    status: str, payment_status: str, intent: str | None, payment: Payment
) -> None:
    """What needed no payment is paid, and over another amount than any order's: a mismatch."""
    given = {"id": "pi_1", "status": intent, "latest_charge": None} if intent else None
    session = {**SESSION, "status": status, "payment_status": payment_status, "payment_intent": given}
    assert truth_of_session(session, []).payment is payment


def test_a_charge_says_what_was_refunded_in_all() -> None:
    intent = {**SESSION["payment_intent"], "latest_charge": {"amount_refunded": 67}}
    assert truth_of_session({**SESSION, "payment_intent": intent}, []).refunded_cents == 67


@pytest.mark.parametrize(
    ("status", "state"), [*DISPUTE_STATES.items(), ("a status of next year", DisputeState.OPEN)]
)
def test_a_dispute_has_one_of_four_states(status: str, state: DisputeState) -> None:
    [dispute] = truth_of_session(SESSION, [{"status": status, "amount": 200}]).disputes
    assert (dispute.state, dispute.amount_cents) == (state, 200)


@pytest.mark.parametrize(
    ("status", "detail", "payment", "doubt"),
    [
        ("New", "None", Payment.OPEN, None),
        ("New", "PaidPartial", Payment.OPEN, None),
        ("Processing", "None", Payment.PROCESSING, None),
        ("Processing", "PaidOver", Payment.PROCESSING, None),
        ("Expired", "None", Payment.EXPIRED, None),
        ("Expired", "PaidPartial", Payment.EXPIRED, Doubt.PAID_PARTLY),
        ("Expired", "PaidLate", Payment.EXPIRED, Doubt.PAID_LATE),
        ("Invalid", "None", Payment.FAILED, None),
        ("Invalid", "Marked", Payment.FAILED, None),
        ("Settled", "None", Payment.PAID, None),
        ("Settled", "PaidOver", Payment.PAID, None),
        ("Settled", "PaidLate", Payment.PAID, Doubt.PAID_LATE),
        ("Settled", "PaidPartial", Payment.PAID, Doubt.PAID_PARTLY),
        ("Settled", "Marked", Payment.PAID, Doubt.MARKED_PAID),
    ],
)
def test_an_invoice_says_how_far_the_payment_is(
    status: str, detail: str, payment: Payment, doubt: Doubt | None
) -> None:
    truth = truth_of_invoice({**INVOICE, "status": status, "additionalStatus": detail})
    assert (truth.payment, truth.doubt, truth.seller) == (payment, doubt, "store")


@pytest.mark.parametrize(
    ("amount", "price"),
    [
        ("2", Price(200, "usd")),
        ("2.00", Price(200, "usd")),
        ("2.000000", Price(200, "usd")),
        ("2.001", None),
        (None, None),
        ("NaN", None),
        ("Infinity", None),
        ("much", None),
        ("9e999999", None),
        ("1e999990", None),
    ],
)
def test_only_whole_cents_are_a_price(amount: str | None, price: Price | None) -> None:
    assert truth_of_invoice({**INVOICE, "amount": amount}).price == price


def test_what_is_optional_may_be_missing() -> None:
    bare = {name: value for name, value in INVOICE.items() if name not in ("paidAmount", "additionalStatus")}
    truth = truth_of_invoice(bare)
    assert (truth.payment, truth.paid_cents) == (Payment.PAID, None)


def test_a_payment_in_fractions_of_a_cent_counts_rounded_down() -> None:
    assert truth_of_invoice({**INVOICE, "paidAmount": "1.999999"}).paid_cents == 199


def test_an_amount_is_written_with_two_places() -> None:
    assert decimal_amount(Price(50, "usd")) == "0.50"
    assert decimal_amount(Price(600, "usd")) == "6.00"


def test_a_session_without_an_amount_has_no_price() -> None:
    assert truth_of_session({**SESSION, "amount_total": None}, []).price is None
