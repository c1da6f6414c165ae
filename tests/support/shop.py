"""Billing with all that it speaks to, on real sockets: database, broker, both providers, accounts, metering.

It stands here because a service, its tests included, knows nothing of deploy, where the stand-ins are."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx

from deploy.local.fakes.app import Fakes
from deploy.local.fakes.btcpay_store import Invoice
from deploy.local.fakes.delivery import HONEST, Manner
from deploy.local.fakes.outcomes import BTCPAY_OUTCOMES
from deploy.local.fakes.settings import BTCPAY_PAGES, FakeSettings
from deploy.local.fakes.stripe_store import Thing
from services.billing.app import build_app
from services.billing.settings import BillingSettings
from tests.support.billing_neighbours import ADMIN_KEY, Customer, Neighbours
from tests.support.eventually import PATIENCE_SECONDS, eventually
from tests.support.in_process import loopback_socket, serving, url_of
from tests.support.servers import DatabaseFactory

__all__ = ["ADMIN_KEY", "BTCPAY_OUTCOMES", "HONEST", "Bought", "Manner", "Shop"]

PROGRAM = {"accept": "application/json"}
PERSON = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
INTERNAL = {"authorization": "Bearer an-internal-token"}
STRIPE = {"stripe_secret_key": "sk_test_1", "stripe_webhook_secret": "whsec_1"}
BTCPAY = {
    "btcpay_url": "http://btcpay:49392",
    "btcpay_public_url": "https://btcpay.example.com",
    "btcpay_api_key": "key",
    "btcpay_store_id": "store",
    "btcpay_webhook_secret": "secret",
}


def settings(database_url: str, amqp_url: str, **given: Any) -> BillingSettings:
    """Nothing of this environment; neighbours nowhere unless they are given."""
    urls = {"accounts_url": "http://127.0.0.1:9", "metering_url": "http://127.0.0.1:9"}
    return BillingSettings(
        database_url=database_url,
        amqp_url=amqp_url,
        internal_token=("an-internal-token",),
        **{**urls, **given},
    )


@dataclass(frozen=True, slots=True)
class Bought:
    """An order with its checkout at a provider."""

    purchase_id: str
    provider_id: str
    customer: Customer


@dataclass(slots=True)
class Shop:
    url: str
    fakes: Fakes
    neighbours: Neighbours
    client: httpx.AsyncClient
    database: asyncpg.Pool

    async def order(self, method: str, pack: str = "standard") -> Bought:
        """By a new customer, with a key."""
        customer, key = self.neighbours.new_customer()
        reply = await self.client.post(
            "/checkout", data={"pack": pack, "method": method, "key": key}, headers=PROGRAM
        )
        assert reply.status_code == 303, reply.text
        provider_id = urlsplit(reply.headers["location"]).path.rsplit("/", 1)[-1]
        return Bought(reply.json()["purchase_id"], provider_id, customer)

    def session(self, bought: Bought) -> Thing:
        return self.fakes.stripe.session(bought.provider_id)

    def invoice(self, bought: Bought) -> Invoice:
        return self.fakes.btcpay.invoices[bought.provider_id]

    async def purchase(self, bought: Bought) -> dict[str, Any]:
        path = f"/internal/accounts/{bought.customer.account_id}/purchases"
        reply = await self.client.get(path, headers=INTERNAL)
        return next(each for each in reply.json()["purchases"] if each["purchase_id"] == bought.purchase_id)

    async def becomes(
        self, bought: Bought, state: str, within_seconds: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """The purchase, once it is in that state and no event waits."""

        async def is_so() -> dict[str, Any]:
            purchase = await self.purchase(bought)
            assert purchase["state"] == state, purchase
            assert await self.count_waiting() == 0
            return purchase

        return await eventually(is_so, within_seconds)

    async def count_waiting(self) -> int:
        return int(
            await self.database.fetchval("SELECT count(*) FROM webhook_events WHERE processed_at IS NULL")
        )

    async def told(self, bought: Bought) -> list[tuple[str, dict[str, Any]]]:
        """What the rest of the system was told of the order: short type and data, in order of revision."""
        rows = await self.database.fetch(
            "SELECT body FROM outbox WHERE subject = $1 ORDER BY id", bought.customer.account_id
        )
        events = [json.loads(row["body"]) for row in rows]
        mine = [event for event in events if event["data"]["purchase_id"] == bought.purchase_id]
        mine.sort(key=lambda event: event["data"]["revision"])
        return [(event["type"].split(".")[1], event["data"]) for event in mine]

    async def reviews(self, bought: Bought) -> list[dict[str, Any]]:
        reply = await self.client.get("/internal/reviews", headers=INTERNAL)
        return [
            each for each in reply.json()["reviews"] if each["purchase"]["purchase_id"] == bought.purchase_id
        ]

    async def decide(self, review: dict[str, Any], decision: str) -> httpx.Response:
        return await self.client.post(
            f"/internal/reviews/{review['review_id']}/decide",
            json={"decision": decision, "decided_by": "the operator"},
            headers=INTERNAL,
        )

    async def reconcile(self) -> dict[str, int]:
        reply = await self.client.post("/internal/reconcile", headers=INTERNAL)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    async def make_older(self, bought: Bought, interval: str) -> None:
        """As if all that happened to the order had happened so long ago."""
        await self.database.execute(
            """
            UPDATE orders SET created_at = created_at - $2::text::interval, changed_at = changed_at - $2::text::interval,
                              ledger_told_again_at = ledger_told_again_at - $2::text::interval
            WHERE order_id = $1
            """,
            UUID(bought.purchase_id),
            interval,
        )


@asynccontextmanager
async def running_shop(database: DatabaseFactory, amqp_url: str, **otherwise: str) -> AsyncIterator[Shop]:
    """`otherwise`: settings that are not the usual ones."""
    schema = await database("billing")
    at, fakes_at, neighbours_at = loopback_socket(), loopback_socket(), loopback_socket()
    fakes = Fakes(_fake_settings(url_of(at)))
    neighbours = Neighbours()
    given = {
        **STRIPE,
        **BTCPAY,
        "base_url": url_of(at),
        "stripe_api_url": url_of(fakes_at),
        "btcpay_url": url_of(fakes_at),
        "btcpay_public_url": url_of(at) + BTCPAY_PAGES,
        "accounts_url": url_of(neighbours_at),
        "metering_url": url_of(neighbours_at),
        "local_fakes": True,
        **otherwise,
    }
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(neighbours.app(), neighbours_at))
        await stack.enter_async_context(serving(fakes.app(), fakes_at))
        url = await stack.enter_async_context(serving(build_app(settings(schema.url, amqp_url, **given)), at))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))
        pool = await stack.enter_async_context(asyncpg.create_pool(schema.owner_url, min_size=1, max_size=2))
        yield Shop(url, fakes, neighbours, client, pool)


def _fake_settings(hooks_at: str) -> FakeSettings:
    return FakeSettings(
        base_url=hooks_at,
        stripe_hook=f"{hooks_at}/stripe/webhook",
        btcpay_hook=f"{hooks_at}/btcpay/webhook",
        stripe_key=STRIPE["stripe_secret_key"],
        stripe_webhook_secret=STRIPE["stripe_webhook_secret"],
        btcpay_key=BTCPAY["btcpay_api_key"],
        btcpay_store_id=BTCPAY["btcpay_store_id"],
        btcpay_webhook_secret=BTCPAY["btcpay_webhook_secret"],
    )
