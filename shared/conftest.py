"""Each test has its own queues on the real broker, and a line to the broker that it may cut."""

from collections.abc import AsyncIterator

import pytest

from shared.bus.publisher import Publisher
from tests.support.bus import Corner, open_corner, open_publisher
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
