"""PostgreSQL is restarted by its operator: it says goodbye on idle connections, and a statement may begin before the
connection is closed. For whoever goes on through outages that must be one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from shared.postgres import POSTGRES_ERRORS, open_pool
from tests.support.servers import ServiceDatabase


@asynccontextmanager
async def late_goodbye(url: str, has_left: asyncio.Event) -> AsyncIterator[str]:
    """A way to the server on which its last word arrives at once, and the end of the connection never."""
    target = urlsplit(url)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)

    transports: list[asyncio.WriteTransport] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(target.hostname, target.port)
        transports.extend((to_server.transport, writer.transport))
        asking = asyncio.create_task(carry(reader, to_server))
        await carry(from_server, writer)
        has_left.set()
        await asking

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        credentials = target.netloc.rpartition("@")[0]
        yield urlunsplit(target._replace(netloc=f"{credentials}@127.0.0.1:{port}"))
        for transport in transports:
            transport.abort()


async def test_a_statement_that_begins_after_the_servers_goodbye_fails_as_an_outage(
    billing: ServiceDatabase,
) -> None:
    has_left = asyncio.Event()
    async with late_goodbye(billing.url, has_left) as url:
        pool = await open_pool(url, service="billing")
        process = await pool.fetchval("SELECT pg_backend_pid()")
        operator = await asyncpg.connect(billing.superuser_url)
        await operator.execute("SELECT pg_terminate_backend($1)", process)
        await operator.close()
        await has_left.wait()
        with pytest.raises(POSTGRES_ERRORS) as failure:
            await pool.fetchval("SELECT 1")
        assert isinstance(failure.value, asyncpg.InternalClientError)
        pool.terminate()
