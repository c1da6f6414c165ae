"""A gateway dies: its holds end at their last checkpoint; if it comes back, its own count corrects that."""

import asyncio

import pytest
from redis.asyncio import Redis

from services.metering.tests.building import Books
from services.metering.tests.gateway import Gateway, fall_silent
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from services.metering.use_cases.sweep_stale_holds import sweep_stale_holds
from shared.admission.decisions import CallKind
from shared.admission.keys import EPOCH_MARKER, AccountKeys
from shared.contracts.gateway import Outcome
from shared.redis_client import open_redis


async def sweep_all(redis: Redis) -> None:
    """As if every gateway had been silent for long enough."""
    await sweep_stale_holds(redis, stale_after_seconds=0)


async def bring_home(books: Books, redis: Redis, gateway: Gateway) -> None:
    await books.post(*await gateway.publish())
    await mirror_changed_accounts(books.pool, redis)


async def test_a_hold_with_a_recent_heartbeat_is_left_alone(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books)
    request_id = await gateway.admit(account_id, 100)
    await sweep_stale_holds(redis)
    assert await gateway.open_ids(account_id) == {request_id}
    assert await gateway.publish() == []


async def test_after_a_redis_that_was_away_no_silence_is_a_sign(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    """Nobody could reach it: swept at once, every running stream would be cut and its money spent again."""
    account_id = await gateway.open_account(books)
    request_id = await gateway.admit(account_id, 100)
    await fall_silent(redis, account_id, request_id, 60_000)
    await redis.delete(EPOCH_MARKER)
    await sweep_stale_holds(redis)
    assert await gateway.publish() == []
    await redis.hincrby(EPOCH_MARKER, "since", -60_000)
    await sweep_stale_holds(redis)
    assert len(await gateway.publish()) == 1


async def test_a_stale_stream_is_charged_its_last_checkpoint(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books)
    request_id = await gateway.admit(account_id, 100)
    await gateway.checkpoint(account_id, request_id, 40)
    await sweep_all(redis)
    assert await gateway.available(account_id) == 960
    await bring_home(books, redis, gateway)
    assert await gateway.available(account_id) == 960
    assert (await books.stored(account_id)).entries == [("grant", 1000), ("usage", -40)]


async def test_a_stale_whole_call_leaves_a_usage_row_and_costs_nothing(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books)
    request_id = await gateway.admit(account_id, 100, kind=CallKind.WHOLE)
    await gateway.checkpoint(account_id, request_id, 40)
    await sweep_all(redis)
    await bring_home(books, redis, gateway)
    assert await gateway.available(account_id) == 1000
    assert (await books.stored(account_id)).usage == [(1, 0, 0)]
    outcome = await books.pool.fetchval("SELECT outcome FROM usage WHERE account_id = $1", account_id)
    assert outcome == Outcome.LOST


async def test_a_hold_that_two_replicas_sweep_is_charged_once(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books)
    request_id = await gateway.admit(account_id, 100)
    await gateway.checkpoint(account_id, request_id, 40)
    await asyncio.gather(*(sweep_all(redis) for _ in range(4)))
    assert len(await gateway.publish()) == 1


async def test_two_replicas_that_sweep_many_holds_at_once_charge_each_once(
    books: Books, redis: Redis, redis_url: str, gateway: Gateway
) -> None:
    accounts = [await gateway.open_account(books) for _ in range(8)]
    for account_id in accounts * 5:
        await gateway.checkpoint(account_id, await gateway.admit(account_id, 100), 30)
    async with open_redis(redis_url) as replica, open_redis(redis_url) as another:
        await asyncio.gather(sweep_all(replica), sweep_all(another))
    records = await gateway.publish()
    assert len({record.request_id for record in records}) == len(records) == len(accounts) * 5
    await books.post(*records)
    await mirror_changed_accounts(books.pool, redis)
    for account_id in accounts:
        balance = await gateway.balance(account_id)
        assert (balance.available, balance.held) == (850, 0)


@pytest.mark.parametrize("is_posted_between", [True, False])
async def test_a_gateway_that_comes_back_corrects_what_was_swept(
    books: Books, redis: Redis, gateway: Gateway, is_posted_between: bool
) -> None:
    account_id = await gateway.open_account(books)
    request_id = await gateway.admit(account_id, 100)
    await gateway.checkpoint(account_id, request_id, 40)
    await sweep_all(redis)
    if is_posted_between:
        await bring_home(books, redis, gateway)
    await gateway.settle(account_id, request_id, 55)
    await bring_home(books, redis, gateway)
    assert await gateway.available(account_id) == 945
    assert await gateway.open_ids(account_id) == set()
    assert (await books.stored(account_id)).balance == 945


async def test_a_hold_that_nobody_can_read_keeps_no_other_from_its_end(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books)
    unreadable, stale = await gateway.admit(account_id, 100), await gateway.admit(account_id, 100)
    await redis.hset(AccountKeys(account_id).holds, unreadable, "not a hold")
    await sweep_all(redis)
    assert [str(record.request_id) for record in await gateway.publish()] == [stale]
