"""Billing put together: what it opens, what it serves, and, in reverse, how it stops."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from fastapi import FastAPI

from services.billing.entrypoints import events, packs
from services.billing.entrypoints.answers import answer_error
from services.billing.entrypoints.checkout import checkout_router
from services.billing.entrypoints.webhooks import webhook_router
from services.billing.settings import BillingSettings
from shared import postgres
from shared.background import Background
from shared.bus import connection as bus
from shared.bus.consumer import Consumer
from shared.bus.publisher import Publisher
from shared.errors import PromptlyError
from shared.http.shell import Readiness, create_app
from shared.migrations import check_schema

SERVICE = "billing"
MIGRATIONS = Path(__file__).parent / "migrations"

log = structlog.get_logger()


def build_app(settings: BillingSettings) -> FastAPI:
    readiness = Readiness()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for method in settings.configured:
            log.warning("payment_method_not_supported_yet", method=method)
        async with AsyncExitStack() as stack:
            pool = await postgres.open_pool(settings.database_url, service=SERVICE)
            stack.push_async_callback(pool.close)
            await check_schema(pool, MIGRATIONS)
            readiness.add("postgres", partial(postgres.answers, pool))
            consumer = await _consumer(settings, stack, readiness)
            background = await stack.enter_async_context(Background())
            background.start("consumer", consumer.run)
            yield

    app = create_app(SERVICE, lifespan=lifespan, readiness=readiness)
    app.add_exception_handler(PromptlyError, answer_error)
    app.include_router(packs.router)
    app.include_router(checkout_router(settings.configured))
    app.include_router(webhook_router(settings.configured))
    return app


async def _consumer(settings: BillingSettings, stack: AsyncExitStack, readiness: Readiness) -> Consumer:
    """Consuming and publishing (copies for retry) on a connection each, as shared.bus asks."""
    incoming = await bus.connect(settings.amqp_url, f"{SERVICE}-consumer")
    stack.push_async_callback(incoming.close)
    outgoing = await bus.connect(settings.amqp_url, f"{SERVICE}-publisher")
    stack.push_async_callback(outgoing.close)
    readiness.add("rabbitmq", partial(bus.answers, incoming))
    return Consumer(incoming, Publisher(outgoing), SERVICE, events.handle)
