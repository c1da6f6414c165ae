"""Several of everything at once: workers, forms, looks at the same order. Each fact is still booked once."""

import asyncio
from uuid import UUID

from services.billing.adapters import reviews_postgres as reviews
from services.billing.domain.orders import OrderId
from services.billing.domain.reviews import Decision
from shared.clock import utc_now
from shared.ids import new_uuid7
from tests.support.eventually import eventually
from tests.support.shop import BTCPAY_OUTCOMES, HONEST, PROGRAM, Manner, Shop

LOOKS = 8


async def test_many_looks_at_the_same_time_credit_once(shop: Shop) -> None:
    bought = await shop.order("btcpay")
    shop.fakes.engine.manner = Manner(copies=LOOKS)
    shop.fakes.btcpay.pay(shop.invoice(bought))
    shop.fakes.btcpay.settle(shop.invoice(bought))
    shop.fakes.engine.manner = HONEST
    await asyncio.gather(*(shop.reconcile() for _ in range(LOOKS)))
    await shop.becomes(bought, "paid")
    assert len(await shop.told(bought)) == 1


async def test_the_same_form_sent_at_the_same_time_leads_to_one_checkout(shop: Shop) -> None:
    customer, key = shop.neighbours.new_customer()
    data = {"pack": "pro", "method": "stripe", "key": key, "order": str(new_uuid7())}
    replies = await asyncio.gather(
        *(shop.client.post("/checkout", data=data, headers=PROGRAM) for _ in range(3))
    )
    assert {reply.status_code for reply in replies} == {303}
    assert len({reply.headers["location"] for reply in replies}) == 1
    assert (
        await shop.database.fetchval("SELECT count(*) FROM orders WHERE account_id = $1", customer.account_id)
        == 1
    )


async def test_a_decision_and_a_booking_do_not_wait_for_each_other(shop: Shop) -> None:
    """Both lock the order and its review; in another order they would end in a deadlock."""
    bought = await shop.order("btcpay")
    BTCPAY_OUTCOMES["mark as settled"](shop.fakes.btcpay, shop.invoice(bought))
    await shop.becomes(bought, "review")
    [review] = await shop.reviews(bought)
    order_id, review_id = OrderId(UUID(bought.purchase_id)), UUID(review["review_id"])

    async def decide() -> bool:
        async with shop.database.acquire() as connection, connection.transaction():
            return await reviews.record_decision(
                connection, review_id, Decision.CREDIT, decided_by="the operator", now=utc_now()
            )

    async with shop.database.acquire() as booking:

        async def waits() -> bool:
            return bool(await booking.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))

        async with booking.transaction():
            await booking.execute("UPDATE orders SET changed_at = now() WHERE order_id = $1", order_id)
            deciding = asyncio.create_task(decide())
            await eventually(waits)
            await reviews.close_overtaken(booking, order_id, [], now=utc_now())
    assert not await deciding
