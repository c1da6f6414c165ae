"""`operator.credit` on a running metering: what is given in SQL is in Redis within a second."""

import time
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest
from redis.asyncio import Redis

from deploy.database.operator_schema import put_operator_schema
from services.metering.app import build_app
from services.metering.settings import MeteringSettings
from shared.admission.desk import AdmissionDesk
from shared.ids import AccountId
from tests.support.eventually import eventually
from tests.support.servers import DatabaseFactory

ADA = AccountId("Ab3dE5gH")
WITHIN_SECONDS = 1.0


@pytest.fixture
async def gateway(
    database: DatabaseFactory,
    redis: Redis,
    redis_url: str,
    amqp_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[asyncpg.Connection]:
    """The role `gateway`, beside a metering that runs and knows one person."""
    await database("accounts")
    schema = await database("metering")
    await put_operator_schema(schema.superuser_url)
    connection = await asyncpg.connect(schema.superuser_url)
    await connection.execute(
        """
        INSERT INTO accounts.accounts (account_id, email, created_at, registered_at)
        VALUES ($1, 'ada@example.com', now(), now())
        """,
        ADA,
    )
    await connection.execute("INSERT INTO metering.accounts (account_id, created_at) VALUES ($1, now())", ADA)
    monkeypatch.setenv("DATABASE_URL", schema.url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("AMQP_URL", amqp_url)
    monkeypatch.setenv("INTERNAL_TOKEN", "an-internal-token")
    app = build_app(MeteringSettings())
    async with app.router.lifespan_context(app):
        await eventually(partial(shows, redis, 0))
        yield connection
    await connection.close()


async def shows(redis: Redis, available: int) -> bool:
    view = await AdmissionDesk(redis).balance(ADA)
    return view is not None and view.available == available


@pytest.mark.timing
async def test_what_is_given_in_sql_can_be_spent_within_a_second(
    gateway: asyncpg.Connection, redis: Redis
) -> None:
    for times in range(1, 4):
        assert await gateway.fetchval("SELECT operator.credit('ada@example.com', 1000, 'goodwill')") == (
            times * 1000
        )
        given_at = time.monotonic()
        await eventually(partial(shows, redis, times * 1000))
        assert time.monotonic() - given_at < WITHIN_SECONDS
