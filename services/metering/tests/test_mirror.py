"""The ledger's balance in Redis: exact, never older, and in the end always there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast
from uuid import UUID

from redis.asyncio import Redis

from services.metering.adapters.accounts_postgres import mark_mirrored
from services.metering.tests.building import NOON, Books, record_for
from services.metering.tests.gateway import Gateway
from services.metering.use_cases.close_account import close_account
from services.metering.use_cases.mirror_accounts import mirror_account, mirror_changed_accounts
from shared.admission.decisions import Missing, Unknown
from shared.contracts.accounts import AccountDeleted
from shared.ids import RequestId, new_uuid7
from shared.postgres import Connection, Pool


async def test_an_account_opens_with_its_first_pass(books: Books, redis: Redis, gateway: Gateway) -> None:
    account_id = await books.open_account(trial=100, paid=500)
    await gateway.issue_key(account_id)
    _, before = await gateway.decide(account_id, 30)
    assert before == Unknown(Missing.ACCOUNT)
    await mirror_changed_accounts(books.pool, redis)
    balance = await gateway.balance(account_id)
    assert (balance.available, balance.trial, balance.paid, balance.held) == (600, 100, 500, 0)


async def test_the_trials_end_is_redis_own_to_judge(books: Books, gateway: Gateway) -> None:
    account_id = await gateway.open_account(books, trial=100)
    [(expires_at,)] = await books.pool.fetch(
        "SELECT expires_at FROM grants WHERE account_id = $1", account_id
    )
    assert (await gateway.balance(account_id)).trial_expires_at == expires_at


async def test_a_pass_drops_exactly_what_is_posted(books: Books, redis: Redis, gateway: Gateway) -> None:
    account_id = await gateway.open_account(books)
    posted, journalled, held = [await gateway.admit(account_id, 30) for _ in range(3)]
    record = await gateway.settle(account_id, posted, 20)
    await gateway.settle(account_id, journalled, 25)
    await books.post(record)
    assert await gateway.available(account_id) == 1000 - 20 - 25 - 30
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 1000 - 20 - 25 - 30
    assert await gateway.open_ids(account_id) == {journalled, held}


async def test_an_id_stays_journalled_until_its_own_revision_is_posted(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books)
    request_id = await gateway.admit(account_id, 30)
    swept = await gateway.settle(account_id, request_id, 12, revision=1)
    served = await gateway.settle(account_id, request_id, 30, revision=2)
    await books.post(swept)
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.open_ids(account_id) == {request_id}
    await books.post(served)
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.open_ids(account_id) == set()
    assert await gateway.available(account_id) == 970


async def test_usage_published_past_a_dead_redis_frees_its_hold(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books)
    request_id = await gateway.admit(account_id, 30)
    await books.post(record_for(account_id, 20, request_id=UUID(request_id)))
    await mirror_changed_accounts(books.pool, redis)
    balance = await gateway.balance(account_id)
    assert (balance.available, balance.held) == (980, 0)


async def test_a_settlement_repeated_after_its_posting_leaves_the_journal_again(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    """The ledger posts nothing for it, but the account gets a version, and so a pass."""
    account_id = await gateway.open_account(books)
    record = record_for(account_id, 20)
    await books.post(record)
    await mirror_changed_accounts(books.pool, redis)
    await gateway.settle(account_id, RequestId(str(record.request_id)), 20)
    assert await gateway.available(account_id) == 960
    await books.post(*await gateway.publish())
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 980


async def test_nothing_is_available_twice_while_posting_and_mirroring_race(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books)
    settled_tokens, seen = 0, []

    async def serve() -> None:
        nonlocal settled_tokens
        for _ in range(10):
            request_id = await gateway.admit(account_id, 20)
            record = await gateway.settle(account_id, request_id, 15)
            settled_tokens += 15
            await books.post(record)
            await mirror_changed_accounts(books.pool, redis)

    async def watch() -> None:
        while settled_tokens < 600:
            at_most = 1000 - settled_tokens
            seen.append(await gateway.available(account_id) <= at_most)

    await asyncio.gather(watch(), *(serve() for _ in range(4)))
    assert all(seen)
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 400
    assert await gateway.open_ids(account_id) == set()


class Interrupted:
    """A pool under which something happens each time before a connection is taken for a transaction."""

    def __init__(self, pool: Pool, happen: Callable[[], Awaitable[None]]) -> None:
        self._pool = pool
        self._happen = happen

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        await self._happen()
        async with self._pool.acquire() as connection:
            yield connection

    def __getattr__(self, name: str) -> object:
        return getattr(self._pool, name)


async def test_a_request_posted_in_the_middle_of_a_pass_leaves_with_the_next_one(
    books: Books, redis: Redis, gateway: Gateway
) -> None:
    """After the pass read the open ids and before its snapshot: it carries a balance that contains a request
    of which it does not know that it is journalled."""
    account_id = await gateway.open_account(books)

    async def serve() -> None:
        request_id = await gateway.admit(account_id, 20)
        await books.post(await gateway.settle(account_id, request_id, 15))

    await mirror_account(cast("Pool", Interrupted(books.pool, serve)), redis, account_id)
    assert await gateway.available(account_id) == 970
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 985


async def test_a_late_mark_of_an_older_pass_undoes_nothing(books: Books, gateway: Gateway) -> None:
    account_id = await gateway.open_account(books)
    await mark_mirrored(books.pool, {account_id: 1})
    assert not await books.is_to_mirror(account_id)


async def test_a_deleted_account_has_nothing_available(books: Books, redis: Redis, gateway: Gateway) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    await close_account(books.pool, new_uuid7(), AccountDeleted(account_id=account_id), NOON)
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == 0
