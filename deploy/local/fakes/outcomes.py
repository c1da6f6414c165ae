"""What can happen to a payment, by the names on the pay page: all that a provider may do to us."""

from collections.abc import Callable, Mapping

from deploy.local.fakes.btcpay_store import BtcpayStore, Invoice
from deploy.local.fakes.stripe_parameters import StripeRefusal
from deploy.local.fakes.stripe_store import StripeStore, Thing

StripeOutcome = Callable[[StripeStore, Thing], object]
BtcpayOutcome = Callable[[BtcpayStore, Invoice], object]


def _half(session: Thing) -> int:
    return int(session["amount_total"]) // 2


def _rest(store: StripeStore, session: Thing) -> int:
    charge = store.charge_of(session)
    return int(charge["amount"]) - int(charge["amount_refunded"])


def _latest(store: StripeStore, kind: str, session: Thing) -> Thing:
    found = store.list_of(kind, payment_intent=session["payment_intent"])
    if not found:
        raise StripeRefusal(400, f"There is no {kind} yet.")
    return found[0]


def _paid(store: BtcpayStore, invoice: Invoice, share: str) -> None:
    store.pay(invoice, share)
    store.settle(invoice)


STRIPE_OUTCOMES: Mapping[str, StripeOutcome] = {
    "pay": lambda store, session: store.pay(session),
    "pay by bank debit": lambda store, session: store.pay_later(session),
    "the debit arrives": lambda store, session: store.money_arrives(session),
    "the debit fails": lambda store, session: store.money_fails(session),
    "let it expire": lambda store, session: store.expire(session),
    "refund half": lambda store, session: store.refund(session, _half(session)),
    "refund the rest": lambda store, session: store.refund(session, _rest(store, session)),
    "the refund fails": lambda store, session: store.refund_fails(_latest(store, "refund", session)),
    "the bank asks": lambda store, session: store.dispute(session, "warning_needs_response"),
    "dispute": lambda store, session: store.dispute(session, "needs_response"),
    "dispute won": lambda store, session: store.close_dispute(_latest(store, "dispute", session), "won"),
    "dispute lost": lambda store, session: store.close_dispute(_latest(store, "dispute", session), "lost"),
}

BTCPAY_OUTCOMES: Mapping[str, BtcpayOutcome] = {
    "pay": lambda store, invoice: _paid(store, invoice, "1"),
    "pay, unconfirmed": lambda store, invoice: store.pay(invoice),
    "confirm": lambda store, invoice: store.settle(invoice),
    "pay half": lambda store, invoice: store.pay(invoice, "0.5"),
    "pay one and a half": lambda store, invoice: _paid(store, invoice, "1.5"),
    "let it expire": lambda store, invoice: store.expire(invoice),
    "never confirmed": lambda store, invoice: store.fail(invoice),
    "mark as settled": lambda store, invoice: store.mark_settled(invoice),
    "mark as invalid": lambda store, invoice: store.mark_invalid(invoice),
    "refund": lambda store, invoice: store.refund(invoice),
}

LEADS_BACK = ("pay", "pay by bank debit", "pay, unconfirmed")
"""After these the customer is sent back to the shop."""
