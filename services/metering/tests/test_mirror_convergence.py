"""Late, repeated and reordered writes of a mirror end in the same state, and never show more than there is."""

from random import Random
from uuid import UUID

import pytest
from redis.asyncio import Redis

from services.metering.adapters.snapshots_postgres import read_snapshot
from services.metering.tests.building import Books
from services.metering.tests.gateway import Gateway
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from services.metering.use_cases.mirrored import as_mirrored
from shared.admission.mirror import Write, begin_pass, write_mirrors
from shared.ids import AccountId

REQUESTS = 5
TOKENS_EACH = 20


async def write_of_now(books: Books, redis: Redis, account_id: AccountId) -> Write:
    """What a pass that began now would write, held back."""
    begun = await begin_pass(redis, account_id)
    ids = {UUID(request_id): request_id for request_id in begun.request_ids}
    ledger = await read_snapshot(books.pool, [account_id], ids)
    posted = {ids[each]: revision for each, revision in ledger.posted_revisions.items()}
    return Write(account_id, as_mirrored(ledger.accounts[account_id]), posted)


@pytest.mark.parametrize("seed", range(6))
async def test_writes_shuffled_and_doubled_end_in_the_state_of_the_last(
    books: Books, redis: Redis, gateway: Gateway, seed: int
) -> None:
    account_id = await gateway.open_account(books)
    writes = []
    for _ in range(REQUESTS):
        request_id = await gateway.admit(account_id, 50)
        await books.post(await gateway.settle(account_id, request_id, TOKENS_EACH))
        writes.append(await write_of_now(books, redis, account_id))
    left = 1000 - REQUESTS * TOKENS_EACH
    shuffled = Random(seed).sample(writes * 2, k=2 * len(writes))  # noqa: S311
    for write in shuffled:
        await write_mirrors(redis, [write])
        assert await gateway.available(account_id) <= left
    assert await gateway.available(account_id) == left
    await mirror_changed_accounts(books.pool, redis)
    assert await gateway.available(account_id) == left
    assert await gateway.open_ids(account_id) == set()
