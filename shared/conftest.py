"""Each test has its own queues on the real broker, a line to the broker that it may cut, and an empty outbox."""

from collections.abc import AsyncIterator

import pytest

from shared.bus.publisher import Publisher
from shared.postgres import Pool, open_pool
from tests.support.bus import Corner, open_corner, open_publisher
from tests.support.servers import DatabaseFactory, ServiceDatabase
from tests.support.tcp_proxy import TcpProxy


@pytest.fixture
async def corner(amqp_url: str) -> AsyncIterator[Corner]:
    async with open_corner(amqp_url) as corner:
        yield corner


@pytest.fixture
async def line(amqp_url: str) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(amqp_url) as line:
        yield line


@pytest.fixture
async def publisher(amqp_url: str, corner: Corner) -> AsyncIterator[Publisher]:
    async with open_publisher(amqp_url, corner.topology) as publisher:
        yield publisher


@pytest.fixture(scope="module")
async def billing(database: DatabaseFactory) -> ServiceDatabase:
    return await database("billing")


@pytest.fixture
async def pool(billing: ServiceDatabase) -> AsyncIterator[Pool]:
    """As the runtime role: what it may do to the outbox is what the migration granted."""
    async with await open_pool(billing.url, service="billing") as pool:
        await pool.execute("DELETE FROM outbox")
        yield pool
