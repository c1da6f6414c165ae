"""What providers and people see when a part is away: come again, and nothing half done."""

import asyncpg
import httpx

from services.billing.app import build_app
from services.billing.tests.test_webhooks import event, signed
from tests.support.eventually import eventually
from tests.support.servers import DatabaseFactory
from tests.support.shop import PERSON, STRIPE, settings
from tests.support.tcp_proxy import TcpProxy


async def test_without_its_database_billing_says_come_again_and_then_takes_the_event(
    database: DatabaseFactory, amqp_url: str
) -> None:
    schema, body = await database("billing"), event("evt_while_down")
    async with TcpProxy(schema.url) as line:
        app = build_app(settings(line.url, amqp_url, **STRIPE))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://billing") as client,
        ):
            await line.cut()
            headers = {"stripe-signature": signed(body)}
            assert (await client.post("/stripe/webhook", content=body, headers=headers)).status_code == 503
            page = await client.get("/purchases/019a3f6e-0000-7000-8000-0000000000aa", headers=PERSON)
            assert (page.status_code, page.headers["retry-after"]) == (503, "5")
            await line.mend()

            async def is_taken() -> bool:
                reply = await client.post("/stripe/webhook", content=body, headers=headers)
                return reply.status_code == 200

            await eventually(is_taken)
    connection = await asyncpg.connect(schema.url)
    assert await connection.fetchval("SELECT count(*) FROM webhook_events") == 1
    await connection.close()
