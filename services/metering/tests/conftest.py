"""Metering's schema on a real PostgreSQL, seen through its runtime role."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.metering.tests.auditing import System, Vandal, system
from services.metering.tests.building import Books
from services.metering.tests.consuming import Metering, running_metering
from services.metering.tests.gateway import Gateway
from services.metering.tests.neighbours import Neighbours, answering
from shared.postgres import Pool, open_pool
from tests.support.servers import DatabaseFactory, ServiceDatabase


@pytest.fixture(scope="module")
async def schema(database: DatabaseFactory) -> ServiceDatabase:
    return await database("metering")


@pytest.fixture(scope="module")
async def pool(schema: ServiceDatabase) -> AsyncIterator[Pool]:
    pool = await open_pool(schema.url, service="metering")
    yield pool
    await pool.close()


@pytest.fixture
def books(pool: Pool) -> Books:
    return Books(pool)


@pytest.fixture
async def no_batches(pool: Pool) -> None:
    """What other tests published and posted is forgotten."""
    await pool.execute("DELETE FROM posted_batches")
    await pool.execute("DELETE FROM gateways")


@pytest.fixture
def gateway(redis: Redis) -> Gateway:
    return Gateway(redis)


@pytest.fixture
async def metering(books: Books, redis: Redis, amqp_url: str) -> AsyncIterator[Metering]:
    """It hears what a test tells it, and shows in Redis what came of it."""
    async with running_metering(books, redis, amqp_url) as metering:
        yield metering


@pytest.fixture
def vandal(schema: ServiceDatabase) -> Vandal:
    return Vandal(schema.superuser_url)


@pytest.fixture
async def running(books: Books, redis: Redis, amqp_url: str, vandal: Vandal) -> AsyncIterator[System]:
    """A small system whose ledger is empty at first."""
    await vandal.empty()
    neighbours = Neighbours()
    async with answering(neighbours) as url, system(books, redis, amqp_url, neighbours, url) as made:
        yield made
