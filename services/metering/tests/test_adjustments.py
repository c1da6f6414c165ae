"""An operator's adjustments: added at once, taken by hold, each id once."""

import asyncio

import pytest
from redis.asyncio import Redis

from services.metering.domain.accounts import AccountDeletedBefore, AccountUnknown
from services.metering.domain.adjustments import (
    IdTaken,
    InsufficientBalance,
    NothingToChange,
)
from services.metering.tests.adjusting import adjust, by, hold
from services.metering.tests.building import NOON, Books, record_for
from services.metering.tests.buying import Order, hear
from services.metering.tests.gateway import Gateway
from services.metering.use_cases.close_account import close_account
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from shared.admission.decisions import Admitted
from shared.api_keys import new_account_id
from shared.contracts.accounts import AccountDeleted
from shared.ids import new_uuid7


async def test_what_is_added_never_ends_and_is_added_once(books: Books, redis: Redis) -> None:
    account_id = await books.open_account(trial=100)
    adjustment = by(500, account_id)
    for _ in range(3):
        await adjust(books, redis, adjustment)
    stored = await books.stored(account_id)
    assert (stored.grants, stored.entries) == (
        {"trial": 100, "adjustment": 500},
        [("grant", 100), ("grant", 500)],
    )
    row = await books.pool.fetchrow(
        "SELECT reason FROM entries WHERE reason IS NOT NULL AND account_id = $1", account_id
    )
    assert row is not None
    assert row["reason"] == "asked for by mail"


async def test_what_is_taken_comes_from_paid_tokens_and_is_taken_once(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    adjustment = by(-300, account_id)
    for _ in range(3):
        await adjust(books, redis, adjustment)
    stored = await books.stored(account_id)
    assert stored.entries == [("grant", 100), ("grant", 500), ("adjustment", -300)]
    await mirror_changed_accounts(books.pool, redis)
    balance = await gateway.balance(account_id)
    assert (balance.available, balance.paid, balance.held) == (300, 200, 0)


@pytest.mark.parametrize("delta", [-501, -600, -(10**14)])
async def test_more_than_the_paid_balance_is_refused_and_changes_nothing(
    books: Books, redis: Redis, gateway: Gateway, delta: int
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    with pytest.raises(InsufficientBalance) as refusal:
        await adjust(books, redis, by(delta, account_id))
    assert refusal.value.available == 500
    await mirror_changed_accounts(books.pool, redis)
    balance = await gateway.balance(account_id)
    assert (balance.available, balance.held) == (600, 0)
    assert (await books.stored(account_id)).balance == 600


async def test_what_a_running_request_may_need_is_not_taken(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    request_id = await gateway.admit(account_id, 300)
    with pytest.raises(InsufficientBalance) as refusal:
        await adjust(books, redis, by(-301, account_id))
    assert refusal.value.available == 300
    await adjust(books, redis, by(-300, account_id))
    await books.post(await gateway.settle(account_id, request_id, 300))
    stored = await books.stored(account_id)
    assert (stored.balance, stored.usage) == (0, [(2, 300, 0)])


async def test_from_the_hold_on_nobody_is_admitted_to_what_is_taken(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=1, paid=500)
    await hold(books, redis, by(-400, account_id))
    _, decision = await gateway.decide(account_id, 150)
    assert not isinstance(decision, Admitted)


async def test_requests_at_the_same_time_with_one_id_take_once(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    adjustment = by(-200, account_id)
    await asyncio.gather(*(adjust(books, redis, adjustment) for _ in range(6)))
    assert (await books.stored(account_id)).balance == 400
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 400


async def test_many_deductions_at_the_same_time_never_take_more_than_there_is(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    answers = await asyncio.gather(
        *(adjust(books, redis, by(-200, account_id)) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(answer, InsufficientBalance) for answer in answers) == 4
    assert (await books.stored(account_id)).balance == 200


async def test_what_is_owed_can_not_be_taken_as_well(books: Books, redis: Redis, gateway: Gateway) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    order = Order(account_id, 300)
    await hear(books.pool, order.completed())
    await books.post(record_for(account_id, 850))
    await hear(books.pool, order.reversed(300))
    await mirror_changed_accounts(books.pool, redis)
    with pytest.raises(InsufficientBalance):
        await adjust(books, redis, by(-1, account_id))


async def test_an_id_is_for_one_change(books: Books, redis: Redis) -> None:
    account_id = await books.open_account()
    adjustment = by(500, account_id)
    await adjust(books, redis, adjustment)
    for other in (
        by(400, account_id, adjustment.adjustment_id),
        by(-500, account_id, adjustment.adjustment_id),
    ):
        with pytest.raises(IdTaken):
            await adjust(books, redis, other)
    assert (await books.stored(account_id)).balance == 1500


@pytest.mark.parametrize("delta", [5, -5])
async def test_only_an_account_that_exists_is_adjusted(books: Books, redis: Redis, delta: int) -> None:
    with pytest.raises(AccountUnknown):
        await adjust(books, redis, by(delta, new_account_id()))
    deleted = await books.open_account()
    await close_account(books.pool, new_uuid7(), AccountDeleted(account_id=deleted), NOON)
    with pytest.raises(AccountDeletedBefore):
        await adjust(books, redis, by(delta, deleted))


async def test_an_adjustment_changes_something(books: Books, redis: Redis) -> None:
    with pytest.raises(NothingToChange):
        await adjust(books, redis, by(0, await books.open_account()))
