"""From RabbitMQ to Redis: what the bus delivers, however often and in whatever order, counts once."""

from uuid import uuid4

from redis.asyncio import Redis

from services.metering.tests.building import NOON, Books, batch, record_for, registered
from services.metering.tests.buying import Order
from services.metering.tests.consuming import Metering, dying_once_after_commit, running_metering
from shared.api_keys import new_account_id
from shared.contracts.accounts import AccountDeleted
from shared.contracts.envelope import wrap


async def test_a_registration_opens_the_account_and_usage_lowers_it(metering: Metering) -> None:
    account_id = new_account_id()
    await metering.hear(registered(account_id))
    await metering.will_show(account_id, 1000)
    await metering.hear(batch(record_for(account_id, 30), record_for(account_id, 20)))
    await metering.will_show(account_id, 950)


async def test_usage_that_overtook_its_registration_is_posted_after_it(
    metering: Metering, books: Books
) -> None:
    account_id = new_account_id()
    await metering.hear(batch(record_for(account_id, 30)))
    await metering.hear(registered(account_id))
    await metering.will_show(account_id, 970)
    assert await metering.corner.count(metering.corner.parked) == 0


async def test_a_kill_between_commit_and_acknowledgement_posts_once(
    books: Books, redis: Redis, amqp_url: str
) -> None:
    account_id = new_account_id()
    async with running_metering(books, redis, amqp_url, fate=dying_once_after_commit) as metering:
        await metering.hear(registered(account_id), batch(record_for(account_id, 30)))
        await metering.will_show(account_id, 970)
        await metering.will_have_answered_all()
    assert (await books.stored(account_id)).entries == [("grant", 1000), ("usage", -30)]


async def test_every_event_delivered_twice_in_any_order_counts_once(metering: Metering, books: Books) -> None:
    account_id = new_account_id()
    swept = record_for(account_id, 12, revision=1)
    served = record_for(account_id, 30, revision=2, request_id=swept.request_id)
    events = [registered(account_id), batch(swept), batch(served), batch(record_for(account_id, 20))]
    envelopes = [wrap(event, source="test", subject=None, now=NOON) for event in events]
    await metering.hear_again(*reversed(envelopes))
    await metering.hear_again(*envelopes)
    await metering.will_show(account_id, 950)
    stored = await books.stored(account_id)
    assert (stored.balance, stored.days) == (950, {NOON.date(): (2, 50)})


async def test_a_deleted_account_can_spend_nothing_more(metering: Metering) -> None:
    account_id = new_account_id()
    await metering.hear(registered(account_id))
    await metering.will_show(account_id, 1000)
    await metering.hear(AccountDeleted(account_id=account_id))
    await metering.will_show(account_id, 0)


async def test_a_purchase_of_an_account_that_never_registers_is_parked_and_not_lost(
    metering: Metering,
) -> None:
    await metering.hear(Order(new_account_id(), 500).completed())
    await metering.will_park(1)


async def test_a_purchase_can_be_spent_frozen_released_and_taken_back(metering: Metering) -> None:
    order = Order(new_account_id(), 500)
    await metering.hear(order.completed(), registered(order.account_id))
    await metering.will_show(order.account_id, 1500)
    for event, available in (
        (order.frozen(2), 1000),
        (order.released(3), 1500),
        (order.frozen(1), 1500),
        (order.reversed(200, 4), 1300),
        (order.completed(), 1300),
    ):
        await metering.hear(event)
        await metering.will_show(order.account_id, available)


async def test_a_batch_with_an_impossible_record_is_parked_and_the_next_is_posted(metering: Metering) -> None:
    account_id = new_account_id()
    good = wrap(batch(record_for(account_id, 30)), source="test", subject=None, now=NOON)
    [record] = good.data["records"]
    bad_data = {**good.data, "records": [{**record, "tokens_prompt": -1}]}
    await metering.hear(registered(account_id))
    await metering.hear_again(good.model_copy(update={"id": uuid4(), "data": bad_data}), good)
    await metering.will_park(1)
    await metering.will_show(account_id, 970)
