"""A deduction whose process dies, or whose Redis is lost, is done once or not at all."""

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from services.metering.domain.adjustments import (
    InsufficientBalance,
)
from services.metering.tests.adjusting import adjust, begin, by, end_stuck, hold
from services.metering.tests.building import NOON, Books, record_for
from services.metering.tests.gateway import Gateway, end_the_wait
from services.metering.use_cases.adjust_balance import (
    GIVE_UP_AFTER,
    give_up_stuck_lowerings,
)
from services.metering.use_cases.mirror_accounts import mirror_account, mirror_changed_accounts
from shared.admission.lower import Held, lower
from shared.errors import Unavailable
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("no_batches")


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
