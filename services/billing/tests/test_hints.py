"""What is read of an event: which object to look up, and nothing that is believed."""

from typing import Any

import pytest

from services.billing.domain.hints import Hint, NotAnEvent, Subject, hint_of_btcpay, hint_of_stripe


def snapshot(about: dict[str, Any], **changed: Any) -> dict[str, Any]:
    event = {"id": "evt_1", "object": "event", "type": "a.type", "created": 1_800_000_000}
    return {**event, "data": {"object": about}, **changed}


def thin(kind: str, about_id: str) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "v2.core.event",
        "type": "v1.a.type",
        "created": "2026-11-01T00:00:00Z",
        "related_object": {"id": about_id, "type": kind},
    }


@pytest.mark.parametrize(
    ("event", "subject", "subject_id"),
    [
        (snapshot({"object": "checkout.session", "id": "cs_1"}), Subject.SESSION, "cs_1"),
        (snapshot({"object": "payment_intent", "id": "pi_1"}), Subject.PAYMENT, "pi_1"),
        (snapshot({"object": "charge", "id": "ch_1", "payment_intent": "pi_1"}), Subject.PAYMENT, "pi_1"),
        (snapshot({"object": "refund", "id": "re_1", "payment_intent": "pi_1"}), Subject.PAYMENT, "pi_1"),
        (snapshot({"object": "dispute", "id": "du_1", "payment_intent": "pi_1"}), Subject.PAYMENT, "pi_1"),
        (snapshot({"object": "charge", "id": "ch_1", "payment_intent": None}), Subject.OTHER, ""),
        (snapshot({"object": "invoice", "id": "in_1"}), Subject.OTHER, ""),
        (snapshot({}), Subject.OTHER, ""),
        (thin("checkout.session", "cs_1"), Subject.SESSION, "cs_1"),
        (thin("charge", "ch_1"), Subject.CHARGE, "ch_1"),
        (thin("refund", "re_1"), Subject.REFUND, "re_1"),
        (thin("dispute", "du_1"), Subject.DISPUTE, "du_1"),
        (thin("charge.dispute", "du_1"), Subject.DISPUTE, "du_1"),
        (thin("account", "acct_1"), Subject.OTHER, ""),
    ],
)
def test_an_event_of_stripe_names_what_to_look_up(
    event: dict[str, Any], subject: Subject, subject_id: str
) -> None:
    hint = hint_of_stripe(event)
    assert (hint.subject, hint.subject_id) == (subject, subject_id)
    assert hint.occurred_at is not None


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"id": "evt_1"},
        snapshot({}, id=""),
        snapshot({}, id="x" * 300),
        snapshot({}, type=7),
        snapshot({}, id="evt_\x00"),
        snapshot({}, id="evt_\ud800"),
    ],
)
def test_what_has_no_id_and_type_is_no_event(event: object) -> None:
    with pytest.raises(NotAnEvent):
        hint_of_stripe(event)


@pytest.mark.parametrize("data", [None, [], {"object": None}, {"object": "text"}])
def test_odd_data_are_about_nothing(data: object) -> None:
    assert hint_of_stripe(snapshot({}, data=data)).subject is Subject.OTHER


@pytest.mark.parametrize("related", [None, "charge", ["charge"]])
def test_a_thin_event_about_something_odd_is_about_nothing(related: object) -> None:
    event = {
        "object": "v2.core.event",
        "id": "evt_1",
        "type": "v1.charge.refunded",
        "related_object": related,
    }
    assert hint_of_stripe(event).subject is Subject.OTHER


def test_an_event_of_btcpay_names_its_invoice() -> None:
    hint: Hint = hint_of_btcpay({"deliveryId": "d", "type": "InvoiceSettled", "invoiceId": "i"})
    assert (hint.event_id, hint.subject, hint.subject_id) == ("d", Subject.INVOICE, "i")
    assert hint_of_btcpay({"deliveryId": "d", "type": "PayoutCreated"}).subject is Subject.OTHER
    with pytest.raises(NotAnEvent):
        hint_of_btcpay({"type": "InvoiceSettled"})
