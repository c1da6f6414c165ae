"""Redis loses an account: it comes back closed, and opens with everything that was held, settled or published."""

import pytest
from redis.asyncio import Redis

from services.metering.adapters.accounts_postgres import claim_first_opening
from services.metering.tests.building import NOON, Books, record_for
from services.metering.tests.gateway import Gateway, end_the_wait
from services.metering.use_cases.follow_batches import follow_batches
from services.metering.use_cases.mirror_accounts import mirror_account, mirror_changed_accounts
from shared.admission.decisions import Admitted, Missing, Unknown
from shared.admission.mirror import WAIT_BEFORE_OPENING_MS, IsClosed, IsOpen
from shared.admission.sequences import write_sequence
from shared.ids import AccountId, new_request_id

pytestmark = pytest.mark.usefixtures("no_batches")


async def lost(books: Books, redis: Redis, gateway: Gateway) -> AccountId:
    account_id = await gateway.open_account(books)
    await redis.flushdb()
    await gateway.issue_key(account_id)
    return account_id


async def opened(books: Books, redis: Redis, account_id: AccountId) -> bool:
    return await mirror_account(books.pool, redis, account_id) == IsOpen()


async def test_nobody_is_admitted_before_the_wait_is_over(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await lost(books, redis, gateway)
    written = await mirror_account(books.pool, redis, account_id)
    assert written == IsClosed(WAIT_BEFORE_OPENING_MS)
    assert not await opened(books, redis, account_id)
    assert (await gateway.decide(account_id, 30))[1] == Unknown(Missing.ACCOUNT)
    assert await gateway.desk.balance(account_id) is None
    await end_the_wait(redis, account_id)
    assert await opened(books, redis, account_id)
    assert isinstance((await gateway.decide(account_id, 30))[1], Admitted)


async def test_what_gateways_bring_back_during_the_wait_counts(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books)
    running, settled = await gateway.admit(account_id, 100), await gateway.admit(account_id, 100)
    await gateway.settle(account_id, settled, 40)
    await redis.flushdb()
    await mirror_account(books.pool, redis, account_id)
    await gateway.checkpoint(account_id, running, 100)
    await gateway.settle(account_id, settled, 40)
    await end_the_wait(redis, account_id)
    assert await opened(books, redis, account_id)
    assert await gateway.available(account_id) == 1000 - 100 - 40


async def test_it_opens_when_all_is_posted_that_was_published_before(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await lost(books, redis, gateway)
    await mirror_account(books.pool, redis, account_id)
    await write_sequence(redis, "drained", 3)
    await end_the_wait(redis, account_id)
    assert not await opened(books, redis, account_id)
    await write_sequence(redis, "drained", 9)
    await books.post_batch("drained", 3, record_for(account_id, 30))
    await books.post_batch("drained", 1, record_for(account_id, 30))
    await follow_batches(books.pool, redis, NOON)
    assert not await opened(books, redis, account_id)
    await books.post_batch("drained", 2, record_for(account_id, 30))
    assert await opened(books, redis, account_id)
    assert await gateway.available(account_id) == 910


async def test_it_opens_when_every_gateway_has_told_again_what_it_had_settled(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    """However long that takes: 20,000 settlements of one gateway may take longer than the wait."""
    account_id = await lost(books, redis, gateway)
    await mirror_account(books.pool, redis, account_id)
    await end_the_wait(redis, account_id)
    await write_sequence(redis, "telling", 0, untold=1)
    for _ in range(3):
        assert not await opened(books, redis, account_id)
    await gateway.settle(account_id, new_request_id(), 40)
    await write_sequence(redis, "telling", 0)
    assert await opened(books, redis, account_id)
    assert await gateway.available(account_id) == 1000 - 40


async def test_what_a_gateway_published_that_died_before_the_loss_is_waited_for(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    """Its number was in the Redis that is gone; the ledger has written it down."""
    account_id = await gateway.open_account(books)
    await write_sequence(redis, "dead", 1)
    await follow_batches(books.pool, redis, NOON)
    await redis.flushdb()
    await mirror_account(books.pool, redis, account_id)
    await end_the_wait(redis, account_id)
    assert not await opened(books, redis, account_id)
    await books.post_batch("dead", 1, record_for(account_id, 30))
    assert await opened(books, redis, account_id)


async def test_an_account_with_news_opens_by_itself(books: Books, redis: Redis, gateway: Gateway) -> None:
    account_id = await lost(books, redis, gateway)
    await books.post(record_for(account_id, 30))
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.desk.balance(account_id) is None
    await end_the_wait(redis, account_id)
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 970
    assert not await books.is_to_mirror(account_id)


async def test_an_account_is_new_to_redis_once(books: Books, redis: Redis, gateway: Gateway) -> None:
    """A process that died between its claim and its write leaves an account that is taken for lost."""
    account_id = await books.open_account()
    assert await claim_first_opening(books.pool, [account_id]) == {account_id}
    assert await claim_first_opening(books.pool, [account_id]) == set()
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.desk.balance(account_id) is None


async def test_a_pass_from_before_another_loss_opens_nothing(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await lost(books, redis, gateway)
    await mirror_account(books.pool, redis, account_id)
    await end_the_wait(redis, account_id)
    await redis.flushdb()
    await mirror_account(books.pool, redis, account_id)
    assert not await opened(books, redis, account_id)
