"""A grant that has ended is posted as expired once nothing admitted before its end is on its way."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from redis.asyncio import Redis

from services.metering.tests.building import Books, record_for
from services.metering.tests.ending import end_grants
from services.metering.tests.gateway import Gateway, end_the_wait
from services.metering.use_cases.expire_grants import expire_grants
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from services.metering.use_cases.read_balance import read_balance
from shared.clock import utc_now
from shared.ids import AccountId, RequestId
from tests.support.servers import ServiceDatabase

pytestmark = pytest.mark.usefixtures("no_batches")

End = Callable[[AccountId], Awaitable[None]]
NO_SKEW = timedelta(0)


@pytest.fixture
async def ending(books: Books, redis: Redis, gateway: Gateway) -> AccountId:
    """An account with 100 tokens that end when the test says so, and 50 that do not."""
    account_id = await gateway.open_account(books, trial=100, paid=50)
    await mirror_changed_accounts(books.pool, redis)
    return account_id


@pytest.fixture
def the_end(schema: ServiceDatabase, redis: Redis) -> End:
    async def comes(account_id: AccountId) -> None:
        await end_grants(schema.owner_url, redis, account_id)

    return comes


async def expire(books: Books, redis: Redis) -> None:
    await expire_grants(books.pool, redis, clocks_differ_at_most=NO_SKEW)


async def expired(books: Books, account_id: AccountId) -> list[int]:
    return [tokens for kind, tokens in (await books.stored(account_id)).entries if kind == "expiry"]


async def test_what_remains_at_the_end_expires_once(
    books: Books, redis: Redis, gateway: Gateway, ending: AccountId, the_end: End
) -> None:
    await expire(books, redis)
    assert await expired(books, ending) == []
    await the_end(ending)
    await asyncio.gather(*(expire(books, redis) for _ in range(4)))
    assert await expired(books, ending) == [-100]
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(ending) == 50
    assert (await read_balance(books.pool, ending, utc_now())).available == 50


async def test_a_request_admitted_before_the_end_is_waited_for_held_and_journalled(
    books: Books, redis: Redis, gateway: Gateway, ending: AccountId, the_end: End
) -> None:
    request_id = await gateway.admit(ending, 80)
    await the_end(ending)
    await expire(books, redis)
    record = record_for(ending, 70, request_id=UUID(request_id), admitted_at=utc_now() - timedelta(hours=1))
    await gateway.desk.settle(ending, record, tokens_held=80)
    await expire(books, redis)
    assert await expired(books, ending) == []
    await books.post(record)
    await mirror_changed_accounts(books.pool, redis)
    await expire(books, redis)
    stored = await books.stored(ending)
    assert (stored.usage, await expired(books, ending)) == ([(2, 70, 0)], [-30])


async def test_a_request_admitted_after_the_end_is_not_waited_for(
    books: Books, redis: Redis, gateway: Gateway, ending: AccountId, the_end: End
) -> None:
    await the_end(ending)
    await gateway.admit(ending, 20)
    await expire(books, redis)
    assert await expired(books, ending) == [-100]


async def test_clocks_may_differ(
    books: Books, redis: Redis, gateway: Gateway, ending: AccountId, the_end: End
) -> None:
    """The gateway that made the id may be ahead of the Redis that admitted the request."""
    await the_end(ending)
    await gateway.admit(ending, 20)
    await expire_grants(books.pool, redis)
    assert await expired(books, ending) == []


async def test_what_a_correction_gives_back_later_expires_too(
    books: Books, redis: Redis, gateway: Gateway, ending: AccountId, the_end: End
) -> None:
    early = utc_now() - timedelta(hours=1)
    swept = record_for(ending, 60, revision=1, admitted_at=early)
    await books.post(swept)
    await mirror_changed_accounts(books.pool, redis)
    await the_end(ending)
    await expire(books, redis)
    await books.post(record_for(ending, 20, revision=2, request_id=swept.request_id, admitted_at=early))
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(ending) == 50
    await expire(books, redis)
    assert await expired(books, ending) == [-40, -40]


async def test_an_account_that_redis_lost_waits_until_it_is_open(
    books: Books, redis: Redis, gateway: Gateway, ending: AccountId, the_end: End
) -> None:
    request_id = await gateway.admit(ending, 80)
    await the_end(ending)
    await redis.flushdb()
    await expire(books, redis)
    assert await expired(books, ending) == []
    await gateway.issue_key(ending)
    await gateway.checkpoint(ending, RequestId(request_id), 80)
    await end_the_wait(redis, ending)
    for _ in range(2):
        await expire(books, redis)
    assert await gateway.open_ids(ending) == {request_id}
    assert await expired(books, ending) == []
