"""The real billing app, with its database and its consumer, and a client at its door."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from services.billing.app import build_app
from services.billing.settings import BillingSettings

STRIPE = {"stripe_secret_key": "sk_test_1", "stripe_webhook_secret": "whsec_1"}
BTCPAY = {
    "btcpay_url": "http://btcpay:49392",
    "btcpay_public_url": "https://btcpay.example.com",
    "btcpay_api_key": "key",
    "btcpay_store_id": "store",
    "btcpay_webhook_secret": "secret",
}


def settings(database_url: str, amqp_url: str, **given: Any) -> BillingSettings:
    return BillingSettings(database_url=database_url, amqp_url=amqp_url, internal_token=("token",), **given)


@asynccontextmanager
async def serving(settings: BillingSettings) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://billing") as client,
    ):
        yield client
