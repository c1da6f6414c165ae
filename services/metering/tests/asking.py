"""The reading routes by themselves, over a ledger: what they answer needs neither Redis nor the bus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from services.metering.adapters.signing_key_nacl import SigningKey
from services.metering.entrypoints.account_routes import account_routes
from services.metering.entrypoints.ledger_routes import ledger_routes
from services.metering.entrypoints.usage_routes import usage_routes
from services.metering.use_cases.read_receipts import Receipts
from shared.http.shell import Readiness, create_app
from shared.postgres import Pool

TOKEN = "an-internal-token"


@asynccontextmanager
async def asking(
    pool: Pool, *, signing_seed: str | None = None, token: str = TOKEN
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends this token."""
    transport = httpx.ASGITransport(_reading_app(pool, signing_seed))
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://metering", headers=headers) as client:
        yield client


def _reading_app(pool: Pool, signing_seed: str | None) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = create_app("metering", lifespan=lifespan, readiness=Readiness())
    tokens = (SecretStr(TOKEN),)
    key = None if signing_seed is None else SigningKey(signing_seed)
    app.include_router(usage_routes(pool, Receipts(pool, key), tokens))
    app.include_router(ledger_routes(pool, tokens))
    app.include_router(account_routes(pool, tokens))
    return app
