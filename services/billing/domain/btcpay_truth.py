"""From BTCPay's invoice to what is true now. Amounts are decimal strings in the invoice's currency.

Greenfield API, `GET /api/v1/stores/{storeId}/invoices/{invoiceId}`: status and additionalStatus.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.billing.domain.orders import Price
from services.billing.domain.truth import Doubt, Payment, Truth

PAYMENTS = {
    "New": Payment.OPEN,
    "Processing": Payment.PROCESSING,
    "Settled": Payment.PAID,
    "Expired": Payment.EXPIRED,
    "Invalid": Payment.FAILED,
}

CENTS_MAX = 10**15
"""More is no amount of money, and `1e999999` no number to write out."""

DOUBTS = {
    ("Settled", "Marked"): Doubt.MARKED_PAID,
    ("Settled", "PaidLate"): Doubt.PAID_LATE,
    ("Settled", "PaidPartial"): Doubt.PAID_PARTLY,
    ("Expired", "PaidLate"): Doubt.PAID_LATE,
    ("Expired", "PaidPartial"): Doubt.PAID_PARTLY,
}
"""Paid too much is no doubt about the order: `paid_cents` tells."""


def truth_of_invoice(invoice: Mapping[str, Any]) -> Truth:
    """`paidAmount` is read where it is given: payloads have lost optional fields before."""
    status, detail = invoice["status"], invoice.get("additionalStatus", "None")
    amount_cents = _cents(invoice.get("amount"))
    currency = str(invoice.get("currency", "")).lower()
    return Truth(
        payment=PAYMENTS[status],
        price=Price(amount_cents, currency) if amount_cents is not None else None,
        seller=invoice.get("storeId"),
        doubt=DOUBTS.get((status, detail)),
        paid_cents=_whole_cents(invoice.get("paidAmount")),
    )


def decimal_amount(price: Price) -> str:
    return f"{price.amount_cents // 100}.{price.amount_cents % 100:02d}"


def _cents(amount: object) -> int | None:
    """None where it is not a number of whole cents."""
    cents = _hundredfold(amount)
    return int(cents) if cents is not None and cents == int(cents) else None


def _whole_cents(amount: object) -> int | None:
    """Rounded down: a rate leaves fractions."""
    cents = _hundredfold(amount)
    return int(cents) if cents is not None else None


def _hundredfold(amount: object) -> Decimal | None:
    try:
        cents = Decimal(str(amount)) * 100
    except ArithmeticError:
        return None
    return cents if cents.is_finite() and abs(cents) <= CENTS_MAX else None
