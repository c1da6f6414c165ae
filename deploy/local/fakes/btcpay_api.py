"""The calls of BTCPay's Greenfield API that billing makes, with the checks of the real server."""

import asyncio
import hmac
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from deploy.local.fakes.btcpay_store import BtcpayStore, Invoice
from deploy.local.fakes.settings import FakeSettings

EXPIRATION_MINUTES = 15
MONITORING_MINUTES = 1440


class CheckoutOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    speedPolicy: str | None = None  # noqa: N815 - the API's names
    expirationMinutes: int = Field(default=EXPIRATION_MINUTES, gt=0)  # noqa: N815
    monitoringMinutes: int = Field(default=MONITORING_MINUTES, ge=0)  # noqa: N815
    paymentTolerance: float = Field(default=0, ge=0, le=100)  # noqa: N815
    redirectURL: str | None = None  # noqa: N815


class NewInvoice(BaseModel):
    """`amount` is a decimal text."""

    amount: str
    currency: str = Field(pattern="^[A-Z]{3}$")
    metadata: dict[str, Any] = {}
    checkout: CheckoutOptions = CheckoutOptions()


class BtcpayApi:
    """How many of the next calls are answered 500: of those that create, and of those that read. Cleared,
    `answers_reads` lets readers wait."""

    def __init__(self, settings: FakeSettings, store: BtcpayStore) -> None:
        self._settings = settings
        self._store = store
        self.failures = 0
        self.failing_reads = 0
        self.answers_reads = asyncio.Event()
        self.answers_reads.set()

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/v1/stores/{store_id}/invoices")
        router.add_api_route("", self.create, methods=["POST"])
        router.add_api_route("/{invoice_id}", self.show, methods=["GET"])
        return router

    async def create(
        self,
        request: Request,
        store_id: str,
        wanted: NewInvoice,
        authorization: Annotated[str, Header()] = "",
    ) -> JSONResponse:
        if self.failures > 0:
            self.failures -= 1
            return _failing()
        if refused := self._refusal(store_id, authorization):
            return refused
        if not _is_amount(wanted.amount):
            return _problem(422, "validation-error", "The amount is not a positive number.")
        invoice = self._store.add(
            {
                "storeId": store_id,
                "amount": wanted.amount,
                "currency": wanted.currency,
                "metadata": wanted.metadata,
                "checkout": wanted.checkout.model_dump(),
            },
            expiration_minutes=wanted.checkout.expirationMinutes,
            monitoring_minutes=wanted.checkout.monitoringMinutes,
        )
        invoice["checkoutLink"] = f"{request.url.scheme}://{request.url.netloc}/i/{invoice['id']}"
        return JSONResponse(invoice)

    async def show(
        self, store_id: str, invoice_id: str, authorization: Annotated[str, Header()] = ""
    ) -> JSONResponse:
        await self.answers_reads.wait()
        if self.failing_reads > 0:
            self.failing_reads -= 1
            return _failing()
        if refused := self._refusal(store_id, authorization):
            return refused
        invoice: Invoice | None = self._store.find(invoice_id)
        if invoice is None:
            return _problem(404, "invoice-not-found", "The invoice was not found")
        return JSONResponse(invoice)

    def _refusal(self, store_id: str, authorization: str) -> JSONResponse | None:
        if not hmac.compare_digest(authorization, f"token {self._settings.btcpay_key}"):
            return _problem(401, "unauthenticated", "Authentication is required for accessing this endpoint")
        if store_id != self._settings.btcpay_store_id:
            return _problem(403, "missing-permission", "Insufficient API Permissions.")
        return None


def _is_amount(text: str) -> bool:
    try:
        return Decimal(text) > 0
    except InvalidOperation:
        return False


def _failing() -> JSONResponse:
    return _problem(500, "generic-error", "Something went wrong.")


def _problem(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": message}, status)
