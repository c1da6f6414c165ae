"""What a BTCPay Server would know: invoices, and the webhook events about them (Greenfield API).

The verbs below are what a customer, the chain and the operator do; each leaves the events of the real server.
"""

import time
from collections.abc import Callable
from decimal import Decimal
from secrets import token_urlsafe
from typing import Any

Invoice = dict[str, Any]
Announce = Callable[[str, Invoice, dict[str, Any]], None]


class BtcpayStore:
    """`announce(type, invoice, fields)` is called after each change."""

    def __init__(self, announce: Announce) -> None:
        self.invoices: dict[str, Invoice] = {}
        self._announce = announce

    def add(self, invoice: Invoice, *, expiration_minutes: int, monitoring_minutes: int) -> Invoice:
        now = int(time.time())
        expires_at = now + expiration_minutes * 60
        invoice |= {
            "id": token_urlsafe(16),
            "createdTime": now,
            "expirationTime": expires_at,
            "monitoringExpiration": expires_at + monitoring_minutes * 60,
            "paidAmount": "0",
            "status": "New",
            "additionalStatus": "None",
        }
        self.invoices[invoice["id"]] = invoice
        self._announce("InvoiceCreated", invoice, {})
        return invoice

    def find(self, invoice_id: str) -> Invoice | None:
        """Expired, when its time has come."""
        invoice = self.invoices.get(invoice_id)
        if invoice and invoice["status"] == "New" and invoice["expirationTime"] <= time.time():
            self.expire(invoice)
        return invoice

    def pay(self, invoice: Invoice, share: str = "1") -> None:
        """`share` of the amount, as seen on the chain and not confirmed."""
        paid = Decimal(invoice["amount"]) * Decimal(share)
        is_whole, is_late = paid >= Decimal(invoice["amount"]), invoice["status"] == "Expired"
        invoice["paidAmount"] = str(paid)
        self._announce("InvoiceReceivedPayment", invoice, {"afterExpiration": is_late})
        if is_late:
            invoice["additionalStatus"] = "PaidLate" if is_whole else "PaidPartial"
            self._announce(
                "InvoicePaidAfterExpiration" if is_whole else "InvoiceExpiredPaidPartial", invoice, {}
            )
            return
        if not is_whole:
            invoice["additionalStatus"] = "PaidPartial"
            return
        invoice |= {
            "status": "Processing",
            "additionalStatus": "PaidOver" if paid > Decimal(invoice["amount"]) else "None",
        }
        self._announce("InvoiceProcessing", invoice, {"overPaid": paid > Decimal(invoice["amount"])})

    def settle(self, invoice: Invoice) -> None:
        """Enough confirmations."""
        invoice["status"] = "Settled"
        self._announce("InvoicePaymentSettled", invoice, {})
        self._announce("InvoiceSettled", invoice, {"manuallyMarked": False})

    def expire(self, invoice: Invoice) -> None:
        invoice["status"] = "Expired"
        is_partly = invoice["additionalStatus"] == "PaidPartial"
        self._announce("InvoiceExpired", invoice, {"partiallyPaid": is_partly})
        if is_partly:
            self._announce("InvoiceExpiredPaidPartial", invoice, {})

    def mark_settled(self, invoice: Invoice) -> None:
        """By the operator, on the invoice's page."""
        invoice |= {"status": "Settled", "additionalStatus": "Marked"}
        self._announce("InvoiceSettled", invoice, {"manuallyMarked": True})

    def mark_invalid(self, invoice: Invoice) -> None:
        invoice |= {"status": "Invalid", "additionalStatus": "Marked"}
        self._announce("InvoiceInvalid", invoice, {"manuallyMarked": True})

    def fail(self, invoice: Invoice) -> None:
        """Never confirmed."""
        invoice["status"] = "Invalid"
        self._announce("InvoiceInvalid", invoice, {"manuallyMarked": False})

    def refund(self, invoice: Invoice) -> None:
        """By the operator: a pull payment, of which the invoice says nothing."""
        self._announce("InvoiceRefund", invoice, {"pullPaymentId": token_urlsafe(8)})
