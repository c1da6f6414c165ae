"""Several of everything at once: workers, forms, looks at the same order. Each fact is still booked once."""

import asyncio

from shared.ids import new_uuid7
from tests.support.shop import HONEST, PROGRAM, Manner, Shop

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
