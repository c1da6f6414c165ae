"""A deleted account: its orders stay, anonymous, and what is still paid for it goes to a human."""

from uuid import UUID

from shared.bus.connection import Connection, close_channel, connect
from shared.bus.publisher import Publisher
from shared.bus.topology import TOPOLOGY
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted
from shared.contracts.envelope import wrap
from shared.ids import AccountId
from tests.support.eventually import eventually
from tests.support.shop import Bought, Shop


async def delete(shop: Shop, amqp_url: str, account_id: AccountId) -> None:
    connection = await connect(amqp_url, "test")
    deleted = wrap(
        AccountDeleted(account_id=account_id), source="accounts", subject=account_id, now=utc_now()
    )
    for _ in range(2):
        assert await Publisher(connection).publish([deleted]) == [deleted.id]

    async def is_known() -> bool:
        return (
            await shop.database.fetchval(
                "SELECT EXISTS (SELECT FROM deleted_accounts WHERE account_id = $1)", account_id
            )
            and await count(connection, TOPOLOGY.work_queue("billing")) == 0
        )

    await eventually(is_known)
    assert await count(connection, TOPOLOGY.parked_queue("billing")) == 0
    await connection.close()


async def test_a_payment_for_a_deleted_account_is_a_review(shop: Shop, amqp_url: str) -> None:
    bought = await shop.order("stripe")
    await delete(shop, amqp_url, bought.customer.account_id)
    shop.fakes.stripe.pay(shop.session(bought))
    await shop.becomes(bought, "review")
    [review] = await shop.reviews(bought)
    assert review["reason"].startswith("account_deleted")
    assert (await shop.decide(review, "done")).json()["state"] == "failed"
    assert await shop.told(bought) == []


async def test_the_orders_of_a_deleted_account_stay_and_name_nobody(shop: Shop, amqp_url: str) -> None:
    bought = await shop.order("stripe")
    shop.fakes.stripe.pay(shop.session(bought))
    await shop.becomes(bought, "paid")
    await delete(shop, amqp_url, bought.customer.account_id)
    assert (await shop.purchase(bought))["state"] == "paid"
    assert await names(shop, bought) == []


async def names(shop: Shop, bought: Bought) -> list[str]:
    """Tables of ours in which the address stands anywhere."""
    tables = await shop.database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    assert UUID(bought.purchase_id)
    return [
        row["tablename"]
        for row in tables
        if await shop.database.fetchval(
            f"SELECT count(*) FROM {row['tablename']} AS t WHERE t::text LIKE '%' || $1 || '%'",  # noqa: S608
            bought.customer.email,
        )
    ]


async def count(connection: Connection, queue: str) -> int:
    """Messages that wait, without those in a consumer's hand."""
    channel = await connection.open_channel()
    declared = await channel.declare_queue(queue, passive=True)
    await close_channel(channel)
    return declared.declaration_result.message_count or 0
