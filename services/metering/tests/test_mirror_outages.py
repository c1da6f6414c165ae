"""Whatever fails on the way, the ledger's balance reaches Redis in the end."""

import asyncio
from functools import partial

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.metering.entrypoints.schedules import Schedule
from services.metering.tests.building import Books, record_for
from services.metering.tests.gateway import Gateway
from services.metering.tests.running import running
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from shared.admission.keys import AccountKeys
from shared.postgres import open_pool
from shared.redis_client import open_redis
from tests.support.eventually import eventually
from tests.support.servers import ServiceDatabase
from tests.support.tcp_proxy import TcpProxy


async def test_an_account_that_redis_refuses_keeps_no_other_from_its_mirror(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    accounts = [await gateway.open_account(books) for _ in range(3)]
    await redis.hset(AccountKeys(accounts[1]).account, "held", "not a number")
    await books.post(*(record_for(account_id, 10) for account_id in accounts))
    await mirror_changed_accounts(books.pool, redis)
    assert [await books.is_to_mirror(account_id) for account_id in accounts] == [False, True, False]
    await redis.hset(AccountKeys(accounts[1]).account, "held", 0)
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(accounts[1]) == 990


async def test_what_names_no_request_keeps_nobody_from_the_mirror(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    """It would end the process, again and again."""
    account_id = await gateway.open_account(books)
    await redis.hset(AccountKeys(account_id).journal, "no request", "2:5")
    await books.post(record_for(account_id, 10))
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 990


async def test_a_pass_that_redis_did_not_answer_comes_again(
    books: Books, redis_url: str, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books)
    await books.post(record_for(account_id, 30))
    async with TcpProxy(redis_url) as line, open_redis(line.url) as client:
        await line.cut()
        with pytest.raises(RedisError):
            await mirror_changed_accounts(books.pool, client)
        await line.mend()
        await mirror_changed_accounts(books.pool, client)
    assert await gateway.available(account_id) == 970
    assert not await books.is_to_mirror(account_id)


async def test_the_mirror_outlives_the_loss_of_both_its_servers(
    books: Books, schema: ServiceDatabase, redis_url: str, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books)
    async with (
        TcpProxy(schema.url) as postgres_line,
        TcpProxy(redis_url) as redis_line,
        await open_pool(postgres_line.url, service="metering") as pool,
        open_redis(redis_line.url) as client,
        running(Schedule("mirror", partial(mirror_changed_accounts, pool, client), every_seconds=0.05)),
    ):
        await postgres_line.cut()
        await redis_line.cut()
        await books.post(record_for(account_id, 30))
        await redis_line.mend()
        await postgres_line.mend()
        await eventually(partial(gateway.shows, account_id, 970))


async def test_replicas_that_mirror_at_once_end_in_the_same_state(
    books: Books, redis_url: str, gateway: Gateway
) -> None:
    accounts = [await gateway.open_account(books) for _ in range(40)]
    await books.post(*(record_for(account_id, 10) for account_id in accounts))
    async with open_redis(redis_url) as replica, open_redis(redis_url) as another:
        await asyncio.gather(*(mirror_changed_accounts(books.pool, each) for each in (replica, another)))
    assert [await gateway.available(account_id) for account_id in accounts] == [990] * 40
    assert not any([await books.is_to_mirror(account_id) for account_id in accounts])
