"""BTCPay Server, through its Greenfield API. It makes its links from the host that calls it: customers get the
public one instead. It knows no idempotency keys; an invoice whose answer was lost is paid by nobody."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog

from services.billing.adapters.unreadable import unreadable_is_failing
from services.billing.domain.btcpay_truth import decimal_amount, truth_of_invoice
from services.billing.domain.checkouts import Checkout, ProviderFailing
from services.billing.domain.hints import Hint, Subject
from services.billing.domain.orders import Order
from services.billing.domain.truth import Payment, Truth
from services.billing.domain.watching import CHECKOUT_LIFETIME, MONITORED

TIMEOUT_SECONDS = 10.0
"""For the whole answer: httpx by itself waits anew for each piece of it."""
FAILING = "The Bitcoin payment server does not answer as it should. Nothing was charged."

log = structlog.get_logger()


class BTCPayProvider:
    def __init__(self, url: str, *, public_url: str, api_key: str, store_id: str, return_url: str) -> None:
        self.seller = store_id
        self._public_url = public_url.rstrip("/")
        self._return_url = return_url
        self._invoices = f"/api/v1/stores/{store_id}/invoices"
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"authorization": f"token {api_key}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def open_checkout(self, order: Order, *, idempotency_key: str) -> Checkout:
        invoice = await self._ask("POST", self._invoices, json=self._invoice(order, idempotency_key))
        if invoice is None:
            raise ProviderFailing(FAILING)
        with unreadable_is_failing("BTCPay"):
            return Checkout(invoice["id"], self._public(invoice["checkoutLink"]))

    async def get_truth(self, provider_id: str) -> Truth:
        invoice = await self._ask("GET", f"{self._invoices}/{provider_id}")
        if invoice is None:
            return Truth(Payment.MISSING)
        with unreadable_is_failing("BTCPay"):
            return truth_of_invoice(invoice)

    async def find_checkout(self, hint: Hint) -> str | None:
        return hint.subject_id if hint.subject is Subject.INVOICE else None

    async def list_undelivered(self, *, since: datetime) -> Sequence[Hint]:  # noqa: ARG002
        """Its queue is in its memory only: open invoices are looked up instead."""
        return ()

    async def _ask(self, verb: str, path: str, json: object = None) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                reply = await self._http.request(verb, path, json=json)
            if verb == "GET" and reply.status_code == httpx.codes.NOT_FOUND:
                return None
            answer: dict[str, Any] = reply.raise_for_status().json()
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            log.warning("btcpay_failing", error=type(error).__name__)
            raise ProviderFailing(FAILING) from error
        return answer

    def _invoice(self, order: Order, idempotency_key: str) -> Mapping[str, Any]:
        return {
            "amount": decimal_amount(order.price),
            "currency": order.price.currency.upper(),
            "metadata": {"orderId": str(order.order_id), "attempt": idempotency_key},
            "checkout": {
                "speedPolicy": "MediumSpeed",
                "expirationMinutes": int(CHECKOUT_LIFETIME.total_seconds() // 60),
                "monitoringMinutes": int(MONITORED.total_seconds() // 60),
                "paymentTolerance": 0,
                "redirectURL": f"{self._return_url}/purchases/{order.order_id}",
            },
        }

    def _public(self, link: str) -> str:
        parts = urlsplit(link)
        query = f"?{parts.query}" if parts.query else ""
        return f"{self._public_url}{parts.path}{query}"
