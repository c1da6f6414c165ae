"""Purchases in a real ledger: credited once, reversed and frozen as the provider's latest state has it."""

from random import Random

import pytest
from redis.asyncio import Redis

from services.metering.tests.building import NOON, Books, record_for
from services.metering.tests.buying import Order, PurchaseEvent, hear, shown
from services.metering.tests.gateway import Gateway
from services.metering.use_cases.close_account import close_account
from services.metering.use_cases.collect_debts import collect_debts
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from services.metering.use_cases.read_balance import read_balance
from shared.admission.decisions import Admitted
from shared.api_keys import new_account_id
from shared.contracts.accounts import AccountDeleted
from shared.errors import NotYet, Poison
from shared.ids import AccountId, new_uuid7


async def settle_up(books: Books, redis: Redis) -> None:
    """What the schedules do until nothing changes any more."""
    for _ in range(2):
        await mirror_changed_accounts(books.pool, redis)
        await collect_debts(books.pool, redis, NOON)
    await mirror_changed_accounts(books.pool, redis)


async def balance(books: Books, account_id: AccountId) -> tuple[int, int, int, int]:
    """Available, paid, debt, frozen."""
    return shown(await read_balance(books.pool, account_id, NOON))


async def test_a_purchase_is_credited_once_however_often_it_is_told(books: Books) -> None:
    order, event_id = Order(await books.open_account(trial=None), 500), new_uuid7()
    await hear(books.pool, order.completed(), event_id=event_id)
    await hear(books.pool, order.completed(), event_id=event_id)
    await hear(books.pool, order.completed())
    stored = await books.stored(order.account_id)
    assert (stored.balance, stored.entries) == (500, [("grant", 500)])


async def test_a_purchase_of_an_account_that_is_not_known_yet_is_asked_about_again(books: Books) -> None:
    with pytest.raises(NotYet):
        await hear(books.pool, Order(new_account_id(), 500).completed())


async def test_a_purchase_belongs_to_one_account(books: Books) -> None:
    order = Order(await books.open_account(), 500)
    await hear(books.pool, order.completed())
    with pytest.raises(Poison):
        await hear(books.pool, Order(await books.open_account(), 500, order.purchase_id).reversed(500))


async def test_a_purchase_of_a_deleted_account_is_in_the_books_and_can_not_be_spent(books: Books) -> None:
    """Billing reviews it; refunding it reverses it like any other."""
    order = Order(await books.open_account(trial=None), 500)
    await close_account(books.pool, new_uuid7(), AccountDeleted(account_id=order.account_id), NOON)
    await hear(books.pool, order.completed())
    assert (await books.stored(order.account_id)).balance == 500
    assert await balance(books, order.account_id) == (0, 0, 0, 0)


async def test_a_refund_takes_back_what_was_not_spent(books: Books, redis: Redis, gateway: Gateway) -> None:
    order = Order(await gateway.open_account(books, trial=100), 500)
    await hear(books.pool, order.completed(), order.reversed(500))
    await settle_up(books, redis)
    stored = await books.stored(order.account_id)
    assert stored.entries == [("grant", 100), ("grant", 500), ("reversal", -500)]
    assert await balance(books, order.account_id) == (100, 0, 0, 0)
    assert await gateway.available(order.account_id) == 100


async def test_a_reversal_comes_off_at_once_and_before_it_is_posted(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    order = Order(await gateway.open_account(books, trial=100), 500)
    await hear(books.pool, order.completed(), order.reversed(300))
    await mirror_changed_accounts(books.pool, redis)
    assert (await books.stored(order.account_id)).balance == 600
    assert await gateway.available(order.account_id) == 300
    assert await balance(books, order.account_id) == (300, 200, 0, 0)


async def test_partial_refunds_are_told_as_a_total(books: Books, redis: Redis, gateway: Gateway) -> None:
    order = Order(await gateway.open_account(books, trial=100), 500)
    await hear(books.pool, order.completed(), order.reversed(100), order.reversed(300), order.reversed(100))
    await settle_up(books, redis)
    assert await balance(books, order.account_id) == (300, 200, 0, 0)


async def test_no_more_is_reversed_than_was_bought(books: Books, redis: Redis, gateway: Gateway) -> None:
    order = Order(await gateway.open_account(books, trial=100), 500)
    await hear(books.pool, order.completed(), order.reversed(800))
    await settle_up(books, redis)
    assert await balance(books, order.account_id) == (100, 0, 0, 0)


async def test_what_was_spent_before_the_refund_is_a_debt_that_the_next_purchase_pays_first(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100)
    first, second = Order(account_id, 500), Order(account_id, 800)
    await hear(books.pool, first.completed())
    await books.post(record_for(account_id, 300))
    await hear(books.pool, first.reversed(500))
    await settle_up(books, redis)
    assert await balance(books, account_id) == (0, 0, 200, 0)
    assert (await gateway.balance(account_id)).debt == 200
    await hear(books.pool, second.completed())
    assert await balance(books, account_id) == (600, 600, 0, 0)
    await settle_up(books, redis)
    stored = await books.stored(account_id)
    assert stored.entries[-3:] == [("reversal", -300), ("grant", 800), ("reversal", -200)]
    assert await gateway.available(account_id) == 600


async def test_a_debt_also_takes_what_is_left_of_an_older_purchase(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    """The same end as when the other purchase comes later."""
    account_id = await gateway.open_account(books, trial=100)
    older, refunded = Order(account_id, 400), Order(account_id, 500)
    await hear(books.pool, older.completed(), refunded.completed())
    await books.post(record_for(account_id, 600))
    await hear(books.pool, older.reversed(400))
    await settle_up(books, redis)
    assert await balance(books, account_id) == (0, 0, 0, 0)


async def test_a_running_request_finds_what_it_was_admitted_to_and_the_rest_is_taken_when_it_ends(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=20)
    order = Order(account_id, 500)
    await hear(books.pool, order.completed())
    await mirror_changed_accounts(books.pool, redis)
    request_id = await gateway.admit(account_id, 320)
    await hear(books.pool, order.reversed(500))
    await settle_up(books, redis)
    assert (await books.stored(account_id)).entries[-1] == ("reversal", -200)
    _, decision = await gateway.decide(account_id, 30)
    assert not isinstance(decision, Admitted)
    await books.post(await gateway.settle(account_id, request_id, 250))
    await settle_up(books, redis)
    stored = await books.stored(account_id)
    assert stored.usage == [(2, 250, 0)]
    assert stored.entries[-1] == ("reversal", -70)
    assert await balance(books, account_id) == (0, 0, 230, 0)


async def test_a_refund_that_failed_is_taken_back_from_where_it_went(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100)
    refunded, other = Order(account_id, 500), Order(account_id, 300)
    await hear(books.pool, refunded.completed())
    await books.post(record_for(account_id, 200))
    await hear(books.pool, other.completed(), refunded.reversed(500, 3))
    await settle_up(books, redis)
    assert await balance(books, account_id) == (200, 200, 0, 0)
    await hear(books.pool, refunded.reversed(0, 4), refunded.reversed(500, 3))
    await settle_up(books, redis)
    assert (await books.stored(account_id)).balance == 700
    assert await balance(books, account_id) == (700, 700, 0, 0)


async def test_a_frozen_purchase_can_not_be_spent_until_it_is_released(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    order = Order(await gateway.open_account(books, trial=100), 500)
    await hear(books.pool, order.completed(), order.frozen(2))
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(order.account_id) == 100
    assert await balance(books, order.account_id) == (100, 0, 0, 500)
    await hear(books.pool, order.released(3))
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(order.account_id) == 600
    assert await balance(books, order.account_id) == (600, 500, 0, 0)


async def test_what_runs_already_takes_a_frozen_purchase_last(books: Books) -> None:
    account_id = await books.open_account(trial=None)
    frozen, other = Order(account_id, 500), Order(account_id, 300)
    await hear(books.pool, frozen.completed(), other.completed(), frozen.frozen(2))
    await books.post(record_for(account_id, 400))
    assert await balance(books, account_id) == (0, 0, 0, 400)
    assert (await books.stored(account_id)).usage == [(2, 400, 0)]


async def test_a_lost_dispute_reverses_the_frozen_purchase_and_nothing_else(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100)
    disputed, other = Order(account_id, 500), Order(account_id, 300)
    await hear(books.pool, disputed.completed(), other.completed(), disputed.frozen(2))
    await hear(books.pool, disputed.reversed(500, 3, reason="dispute_lost"))
    assert await balance(books, account_id) == (400, 300, 0, 0)
    await settle_up(books, redis)
    assert await balance(books, account_id) == (400, 300, 0, 0)
    assert await gateway.available(account_id) == 400


def events_of(order: Order) -> list[PurchaseEvent]:
    return [
        order.completed(),
        order.frozen(2),
        order.released(3),
        order.reversed(200, 4),
        order.frozen(5),
        order.reversed(350, 6, reason="dispute_lost"),
    ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("told", "end"),
    [(3, (600, 500, 0, 0)), (4, (400, 300, 0, 0)), (5, (100, 0, 0, 300)), (6, (250, 150, 0, 0))],
)
async def test_events_in_any_order_and_doubled_end_as_the_latest_of_them_says(
    books: Books, redis: Redis, gateway: Gateway, seed: int, told: int, end: tuple[int, ...]
) -> None:
    order = Order(await gateway.open_account(books, trial=100), 500)
    events = events_of(order)[:told] * 2
    Random(seed).shuffle(events)  # noqa: S311  # an order, not a secret
    for event in events:
        await hear(books.pool, event)
        if seed % 2:
            await settle_up(books, redis)
    await settle_up(books, redis)
    assert await balance(books, order.account_id) == end
    assert await gateway.available(order.account_id) == end[0]
