"""A connection that is no more is an outage, whatever word the library has for it, and the next caller gets another."""

import asyncio

import pytest

from shared.bus.connection import BrokerUnavailable, Connection, ConnectionLost, answers, connect, settled

ATTEMPTS = 20


async def test_a_connection_that_closes_between_a_look_at_it_and_its_use_is_an_outage(amqp_url: str) -> None:
    connection = await connect(amqp_url, "test")
    opened = connection._connection
    assert opened is not None
    assert opened.transport is not None
    await opened.transport.connection.close()
    opened.connected.set()  # as it is for a moment in a process that stood still and wakes up
    with pytest.raises(BrokerUnavailable):
        await connection.open_channel()
    await answers(connection)
    await connection.close()


async def test_a_peer_that_hangs_up_in_the_middle_of_its_greeting_is_an_outage() -> None:
    async def greet() -> None:
        raise StopAsyncIteration  # the library's word for it

    with pytest.raises(ConnectionLost):
        await settled(greet())


async def test_a_peer_that_takes_a_connection_and_hangs_up_at_once_is_an_outage() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = Connection(f"amqp://127.0.0.1:{port}/", "test")
        for _ in range(ATTEMPTS):
            with pytest.raises(BrokerUnavailable):
                await connection.open_channel()
