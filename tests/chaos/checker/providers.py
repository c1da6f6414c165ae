"""What the stand-ins of the providers know: who paid, what they lost again, and which events were taken."""

import json

from deploy.local.fakes.app import Fakes
from deploy.local.fakes.btcpay_store import Invoice
from deploy.local.fakes.delivery import HONEST
from deploy.local.fakes.stripe_store import Thing
from tests.chaos.checker.facts import AtProvider

LOST_REFUNDS = ("succeeded", "pending")
FOR_A_HUMAN = ("Marked", "PaidLate", "PaidPartial")
"""Settled in a way that nobody agreed to: not paid until somebody decides it."""


def truths(fakes: Fakes) -> dict[str, AtProvider]:
    """By checkout."""
    sessions = [_of_session(fakes, each) for each in fakes.stripe.list_of("checkout.session")]
    invoices = [
        AtProvider(each["id"], _is_settled(each), lost_cents=0, has_open_dispute=False)
        for each in fakes.btcpay.invoices.values()
    ]
    return {each.provider_id: each for each in (*sessions, *invoices)}


def hooks_taken(fakes: Fakes) -> frozenset[str]:
    """Stripe's events that were answered 2xx."""
    return frozenset(
        json.loads(delivery.write(0, HONEST).body)["id"]
        for sent in fakes.stripe_events.sent
        for delivery in sent.deliveries
        if delivery.is_taken
    )


def _is_settled(invoice: Invoice) -> bool:
    return invoice["status"] == "Settled" and invoice["additionalStatus"] not in FOR_A_HUMAN


def _of_session(fakes: Fakes, session: Thing) -> AtProvider:
    intent = session["payment_intent"]
    refunds = fakes.stripe.list_of("refund", payment_intent=intent) if intent else []
    disputes = fakes.stripe.list_of("dispute", payment_intent=intent) if intent else []
    lost = sum(each["amount"] for each in refunds if each["status"] in LOST_REFUNDS)
    lost += sum(each["amount"] for each in disputes if each["status"] == "lost")
    is_open = any(each["status"] == "needs_response" for each in disputes)
    return AtProvider(session["id"], session["payment_status"] == "paid", lost, is_open)
