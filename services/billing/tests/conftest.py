"""One running shop for a module's tests; each test has its own customer."""

from collections.abc import AsyncIterator

import pytest

from tests.support.servers import DatabaseFactory
from tests.support.shop import Shop, running_shop


@pytest.fixture(scope="module")
async def shop(database: DatabaseFactory, amqp_url: str) -> AsyncIterator[Shop]:
    async with running_shop(database, amqp_url) as running:
        yield running
