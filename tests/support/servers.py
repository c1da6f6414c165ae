"""Real servers for tests: testcontainers where an engine answers, else private local servers.

TEST_SERVERS=containers or local forces one of the two; TEST_POSTGRES_URL, TEST_REDIS_URL and
TEST_AMQP_URL name running servers instead. A server that cannot be had is an error, never a skip."""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from deploy.database.bootstrap import ROLES, bootstrap, url_of
from shared.migrations import migrate
from shared.redis_client import open_redis
from tests.support.leftovers import remove_left_containers, remove_left_folders
from tests.support.server_choice import Servers, choose_servers, run_postgres, run_rabbitmq, run_redis

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class ServiceDatabase:
    """A service's migrated, empty schema, as its runtime role and as its owner see it."""

    url: str
    owner_url: str
    superuser_url: str


DatabaseFactory = Callable[[str], Awaitable[ServiceDatabase]]


@pytest.fixture(scope="session")
def servers() -> Servers:
    chosen = choose_servers(os.environ)
    remove_left_folders(Path(tempfile.gettempdir()))
    if chosen is Servers.CONTAINERS:
        remove_left_containers()
    return chosen


@pytest.fixture(scope="session")
def postgres_url(servers: Servers) -> Iterator[str]:
    """Superuser DSN of the database `gateway`."""
    with run_postgres(servers) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> Iterator[str]:
    with run_redis(servers) as url:
        yield url


@pytest.fixture(scope="session")
def amqp_url(servers: Servers) -> Iterator[str]:
    with run_rabbitmq(servers) as url:
        yield url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client on an emptied database, raw bytes, as `open_redis` gives."""
    async with open_redis(redis_url) as client:
        await client.flushdb()
        yield client


@pytest.fixture(scope="module")
async def database(postgres_url: str) -> DatabaseFactory:
    """`await database("metering")` gives that service's schema, made anew for this test module."""
    passwords = dict.fromkeys(ROLES, "test")

    async def make(service: str) -> ServiceDatabase:
        await _drop_schema(postgres_url, service)
        await bootstrap(postgres_url, passwords)
        owner_url = url_of(postgres_url, f"{service}_owner", "test")
        await migrate(owner_url, ROOT / "services" / service / "migrations")
        return ServiceDatabase(url_of(postgres_url, service, "test"), owner_url, postgres_url)

    return make


async def _drop_schema(superuser_url: str, service: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    try:
        statement = await connection.fetchval(
            "SELECT format('DROP SCHEMA IF EXISTS %I CASCADE', $1::text)", service
        )
        await connection.execute(statement)
    finally:
        await connection.close()
