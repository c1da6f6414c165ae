"""An event that billing has nothing to do for is acknowledged, so that its queue stays empty."""

from services.billing.tests.billing_process import serving, settings
from shared.api_keys import new_account_id
from shared.bus.connection import Connection, close_channel, connect
from shared.bus.publisher import Publisher
from shared.bus.topology import TOPOLOGY
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted
from shared.contracts.envelope import wrap
from tests.support.eventually import eventually
from tests.support.servers import DatabaseFactory


async def test_a_deleted_account_is_acknowledged(database: DatabaseFactory, amqp_url: str) -> None:
    connection, account_id = await connect(amqp_url, "test"), new_account_id()
    deleted = wrap(
        AccountDeleted(account_id=account_id), source="accounts", subject=account_id, now=utc_now()
    )
    assert await Publisher(connection).publish([deleted]) == [deleted.id]

    async with serving(settings((await database("billing")).url, amqp_url)):

        async def all_consumed() -> bool:
            return await count(connection, TOPOLOGY.work_queue("billing")) == 0

        await eventually(all_consumed)
    assert await count(connection, TOPOLOGY.work_queue("billing")) == 0
    assert await count(connection, TOPOLOGY.parked_queue("billing")) == 0
    await connection.close()


async def count(connection: Connection, queue: str) -> int:
    """Messages that wait, without those in a consumer's hand."""
    channel = await connection.open_channel()
    declared = await channel.declare_queue(queue, passive=True)
    await close_channel(channel)
    return declared.declaration_result.message_count or 0
