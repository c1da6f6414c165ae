"""An operator's adjustments: added at once, taken by hold, each id once, whatever dies or is lost in between."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from redis.asyncio import Redis

from services.metering.adapters.lowerings_postgres import begin_lowering
from services.metering.domain.accounts import AccountDeletedBefore, AccountUnknown
from services.metering.domain.adjustments import (
    Adjustment,
    IdTaken,
    InsufficientBalance,
    NothingToChange,
)
from services.metering.tests.building import NOON, Books, record_for
from services.metering.tests.buying import Order, hear
from services.metering.tests.gateway import Gateway, end_the_wait
from services.metering.use_cases.adjust_balance import (
    GIVE_UP_AFTER,
    adjust_balance,
    give_up_stuck_lowerings,
)
from services.metering.use_cases.change_account import change_account
from services.metering.use_cases.close_account import close_account
from services.metering.use_cases.mirror_accounts import mirror_account, mirror_changed_accounts
from shared.admission.decisions import Admitted
from shared.admission.lower import Held, lower
from shared.api_keys import new_account_id
from shared.contracts.accounts import AccountDeleted
from shared.errors import Unavailable
from shared.ids import AccountId, new_uuid7
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("no_batches")


def by(delta: int, account_id: AccountId, adjustment_id: UUID | None = None) -> Adjustment:
    return Adjustment(adjustment_id or new_uuid7(), account_id, delta, "asked for by mail")


async def adjust(books: Books, redis: Redis, adjustment: Adjustment) -> None:
    await adjust_balance(books.pool, redis, adjustment, NOON)


async def begin(books: Books, adjustment: Adjustment) -> UUID:
    """As far as a process came that died before it held anything."""
    async with change_account(books.pool, adjustment.account_id) as connection:
        return await begin_lowering(connection, adjustment, new_uuid7(), NOON)


async def hold(books: Books, redis: Redis, adjustment: Adjustment) -> UUID:
    """As far as one came that died before it posted."""
    lowering_id = await begin(books, adjustment)
    assert await lower(redis, adjustment.account_id, lowering_id, -adjustment.delta) == Held()
    return lowering_id


async def end_stuck(books: Books, redis: Redis) -> None:
    await give_up_stuck_lowerings(books.pool, NOON + GIVE_UP_AFTER + timedelta(seconds=1))
    await mirror_changed_accounts(books.pool, redis)


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


@pytest.mark.parametrize("died_after", ["its note", "its hold"])
async def test_who_comes_again_after_a_crash_goes_on_where_it_stopped(
    books: Books, redis: Redis, gateway: Gateway, died_after: str
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    adjustment = by(-400, account_id)
    if died_after == "its hold":
        await hold(books, redis, adjustment)
    else:
        await begin(books, adjustment)
    await adjust(books, redis, adjustment)
    assert (await books.stored(account_id)).balance == 200
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 200


async def test_a_hold_that_nobody_comes_back_for_is_given_back_after_a_minute(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    adjustment = by(-400, account_id)
    await hold(books, redis, adjustment)
    await give_up_stuck_lowerings(books.pool, NOON + GIVE_UP_AFTER - timedelta(seconds=1))
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 200
    await end_stuck(books, redis)
    assert await gateway.available(account_id) == 600
    await adjust(books, redis, adjustment)
    assert (await books.stored(account_id)).balance == 200


async def test_who_was_given_up_while_it_slept_posts_nothing_and_begins_again(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    """It wakes up between its note and its hold."""
    account_id = await gateway.open_account(books, trial=100, paid=500)
    adjustment = by(-400, account_id)
    lowering_id = await begin(books, adjustment)
    await end_stuck(books, redis)
    assert await lower(redis, account_id, lowering_id, 400) == Held()
    await adjust(books, redis, by(-50, account_id))
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 550


async def test_a_hold_that_was_lost_with_redis_is_not_posted(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    """The account opens again and its tokens are admitted; only then does the sleeper wake up."""
    account_id = await gateway.open_account(books, trial=100, paid=500)
    adjustment = by(-400, account_id)
    lowering_id = await hold(books, redis, adjustment)
    await redis.flushdb()
    await gateway.issue_key(account_id)
    await mirror_account(books.pool, redis, account_id)
    await end_the_wait(redis, account_id)
    await mirror_account(books.pool, redis, account_id)
    await gateway.admit(account_id, 500)
    with pytest.raises(InsufficientBalance):
        await adjust(books, redis, adjustment)
    state = await books.pool.fetchval("SELECT state FROM lowerings WHERE lowering_id = $1", lowering_id)
    assert state == "given_up"
    assert (await books.stored(account_id)).balance == 600


async def test_a_hold_that_comes_back_from_an_older_file_ends(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    lowering_id = await hold(books, redis, by(-400, account_id))
    await end_stuck(books, redis)
    assert await lower(redis, account_id, lowering_id, 400) != Held()
    await redis.delete(*await redis.keys(f"*done:{lowering_id}"))
    assert await lower(redis, account_id, lowering_id, 400) == Held()
    await books.post(record_for(account_id, 30))
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 570


async def test_an_account_that_redis_does_not_have_is_mirrored_first(books: Books, redis: Redis) -> None:
    account_id = await books.open_account(trial=100, paid=500)
    await adjust(books, redis, by(-400, account_id))
    assert (await books.stored(account_id)).balance == 200


async def test_an_account_that_redis_has_lost_is_unavailable_until_it_is_open(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    await redis.flushdb()
    adjustment = by(-400, account_id)
    with pytest.raises(Unavailable):
        await adjust(books, redis, adjustment)
    await end_the_wait(redis, account_id)
    await adjust(books, redis, adjustment)
    assert (await books.stored(account_id)).balance == 200


async def test_without_redis_nothing_is_taken_and_nothing_is_half_done(
    books: Books, redis: Redis, redis_url: str, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    adjustment = by(-400, account_id)
    async with TcpProxy(redis_url) as line, Redis.from_url(line.url) as through:
        await through.ping()
        await line.cut()
        with pytest.raises(Unavailable):
            await adjust(books, through, adjustment)
    assert (await books.stored(account_id)).balance == 600
    await adjust(books, redis, adjustment)
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
