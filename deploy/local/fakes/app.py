"""The stand-ins of Stripe and BTCPay put together: their APIs, their pay pages, their deliveries.

For tests in this process, and for `make run` as a process of its own (python -m deploy.local.fakes).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint

from deploy.local.fakes.btcpay_api import BtcpayApi
from deploy.local.fakes.btcpay_events import BtcpayEvents
from deploy.local.fakes.btcpay_store import BtcpayStore
from deploy.local.fakes.delivery import DeliveryEngine
from deploy.local.fakes.pay_pages import PayPages
from deploy.local.fakes.settings import LOOPBACK_HOSTS, FakeSettings
from deploy.local.fakes.stripe_api import StripeApi
from deploy.local.fakes.stripe_events import StripeEvents
from deploy.local.fakes.stripe_store import StripeStore


class Fakes:
    """Both providers, and what a test reaches into. Nothing here outlives the process."""

    def __init__(self, settings: FakeSettings) -> None:
        self.engine = DeliveryEngine()
        self.stripe_events = StripeEvents(settings, self.engine)
        self.stripe = StripeStore(self.stripe_events.announce)
        self.stripe_api = StripeApi(settings, self.stripe, self.stripe_events)
        self.btcpay = BtcpayStore(BtcpayEvents(settings, self.engine).announce)
        self.btcpay_api = BtcpayApi(settings, self.btcpay)
        self._pages = PayPages(
            self.stripe, self.stripe_events, self.btcpay, self.engine, fail_once=self._fail_once
        )

    def app(self) -> FastAPI:
        app = FastAPI(lifespan=self._running, docs_url=None, redoc_url=None, openapi_url=None)
        app.add_middleware(BaseHTTPMiddleware, dispatch=_only_on_loopback)
        app.add_api_route("/health", _health)
        for part in (self.stripe_api, self.btcpay_api, self._pages):
            app.include_router(part.router())
        return app

    def _fail_once(self) -> None:
        """The next call that creates something is answered 500, whichever of the two it is for."""
        self.stripe_api.failures = self.btcpay_api.failures = 1

    @asynccontextmanager
    async def _running(self, _: FastAPI) -> AsyncIterator[None]:
        yield
        await self.engine.close()


async def _health() -> dict[str, str]:
    return {"status": "ok"}


async def _only_on_loopback(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Or a page elsewhere could buy through a name of its own."""
    if urlsplit(f"//{request.headers.get('host', '')}").hostname not in LOOPBACK_HOSTS:
        return JSONResponse({"error": "Only on 127.0.0.1."}, 403)
    return await call_next(request)
