"""GET shows a payment, POST lets something happen to it."""

from collections.abc import Callable
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from deploy.local.fakes import pages
from deploy.local.fakes.btcpay_store import BtcpayStore
from deploy.local.fakes.delivery import HONEST, MANNERS, DeliveryEngine
from deploy.local.fakes.outcomes import BTCPAY_OUTCOMES, LEADS_BACK, STRIPE_OUTCOMES
from deploy.local.fakes.settings import BTCPAY_PAGES, STRIPE_PAGES
from deploy.local.fakes.stripe_events import FORMATS, StripeEvents
from deploy.local.fakes.stripe_parameters import StripeRefusal
from deploy.local.fakes.stripe_store import StripeStore, Thing

SEE_OTHER = 303


class PayPages:
    def __init__(
        self,
        stripe: StripeStore,
        stripe_events: StripeEvents,
        btcpay: BtcpayStore,
        engine: DeliveryEngine,
        fail_once: Callable[[], None],
    ) -> None:
        self._stripe = stripe
        self._stripe_events = stripe_events
        self._btcpay = btcpay
        self._engine = engine
        self._fail_once = fail_once

    def router(self) -> APIRouter:
        router = APIRouter()
        both = ["GET", "POST"]
        router.add_api_route(STRIPE_PAGES + "/{session_id}", self.stripe, methods=both, response_model=None)
        router.add_api_route(BTCPAY_PAGES + "/i/{invoice_id}", self.btcpay, methods=both, response_model=None)
        return router

    async def stripe(self, request: Request, session_id: str) -> Response:
        form = await self._read(request)
        try:
            session = self._stripe.session(session_id)
            said = self._let_happen_at_stripe(form.get("outcome", ""), session)
        except StripeRefusal as refusal:
            return pages.render_nothing(refusal.status, str(refusal))
        if form.get("outcome") in LEADS_BACK:
            return RedirectResponse(session["success_url"], SEE_OTHER)
        facts = {
            "Amount": f"{session['amount_total'] / 100:.2f} {session['currency'].upper()}",
            "Order": str(session["client_reference_id"]),
            "State": f"{session['status']}, {session['payment_status']}",
        }
        return self._page("Stripe", facts, list(STRIPE_OUTCOMES), said)

    async def btcpay(self, request: Request, invoice_id: str) -> Response:
        form = await self._read(request)
        invoice = self._btcpay.find(invoice_id)
        if invoice is None:
            return pages.render_nothing(404, "There is no such invoice.")
        outcome = form.get("outcome", "")
        if outcome in BTCPAY_OUTCOMES:
            BTCPAY_OUTCOMES[outcome](self._btcpay, invoice)
        back = invoice["checkout"]["redirectURL"]
        if outcome in LEADS_BACK and back:
            return RedirectResponse(back, SEE_OTHER)
        facts = {
            "Amount": f"{invoice['amount']} {invoice['currency']}",
            "Order": str(invoice["metadata"].get("orderId")),
            "State": f"{invoice['status']}, {invoice['additionalStatus']}",
        }
        return self._page("BTCPay Server", facts, list(BTCPAY_OUTCOMES), _done(outcome))

    async def _read(self, request: Request) -> dict[str, str]:
        """The form, with what it says of deliveries put into effect."""
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("manner") in MANNERS:
            self._engine.manner = MANNERS[form["manner"]]
        if form.get("format") in FORMATS:
            self._stripe_events.format = form["format"]
        if form.get("api") == pages.FAIL_ONCE:
            self._fail_once()
        return form

    def _let_happen_at_stripe(self, outcome: str, session: Thing) -> str:
        if outcome not in STRIPE_OUTCOMES:
            return ""
        STRIPE_OUTCOMES[outcome](self._stripe, session)
        return _done(outcome)

    def _page(self, provider: str, facts: dict[str, str], outcomes: list[str], said: str) -> Response:
        names = {manner: name for name, manner in MANNERS.items()}
        return pages.render_payment(
            provider,
            facts,
            outcomes,
            manner=names.get(self._engine.manner, names[HONEST]),
            format_=self._stripe_events.format,
            said=said,
        )


def _done(outcome: str) -> str:
    return f"Done: {outcome}." if outcome else ""
