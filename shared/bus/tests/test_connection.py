"""A connection that is no more is an outage, whatever word the library has for it, and the next caller gets another."""

import pytest

from shared.bus.connection import BrokerUnavailable, answers, connect


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
