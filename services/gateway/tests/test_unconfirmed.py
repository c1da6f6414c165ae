"""What was settled is kept until the ledger has it, and no longer; and there is a bound."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest
from redis.asyncio import Redis

from services.gateway.tests.support.accounts import Account, available
from services.gateway.use_cases import unconfirmed as module
from services.gateway.use_cases.outage import REDIS_ERRORS
from services.gateway.use_cases.unconfirmed import Unconfirmed
from shared.admission.desk import AdmissionDesk
from shared.admission.mirror import Snapshot, write_mirror
from shared.clock import utc_now
from shared.contracts.gateway import Outcome, UsageRecord
from shared.ids import RequestId, new_request_id
from shared.redis_client import open_redis
from tests.support.tcp_proxy import TcpProxy

TOKENS = 100_000


def record_of(account: Account, *, tokens: int = 10) -> UsageRecord:
    return UsageRecord(
        request_id=UUID(new_request_id()),
        account_id=account.account_id,
        key_id=account.key_record.key_id,
        endpoint="chat",
        model="",
        tokens_prompt=tokens,
        tokens_completion=0,
        outcome=Outcome.COMPLETED,
        estimated=False,
        revision=2,
        admitted_at=utc_now(),
        ended_at=utc_now(),
    )


@pytest.fixture
def unconfirmed(redis: Redis) -> Unconfirmed:
    return Unconfirmed(redis, AdmissionDesk(redis))


@pytest.fixture
async def redis_line(redis_url: str) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(redis_url) as line:
        yield line


async def test_it_is_forgotten_when_the_ledger_has_it_and_not_before(
    unconfirmed: Unconfirmed, redis: Redis, account: Account
) -> None:
    records = [record_of(account), record_of(account)]
    for record in records:
        unconfirmed.keep(record)
    await AdmissionDesk(redis).settle_again(records)
    await unconfirmed.forget_confirmed()
    assert len(unconfirmed) == 2
    posted = {RequestId(str(records[0].request_id)): 2}
    await write_mirror(redis, account.account_id, Snapshot(2, TOKENS - 10, ()), posted)
    await unconfirmed.forget_confirmed()
    assert len(unconfirmed) == 1


async def test_nobody_asks_for_all_while_nothing_is_posted_and_nothing_is_passed_over_for_good(
    unconfirmed: Unconfirmed, redis: Redis, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ASKED_AT_ONCE_MAX", 2)
    monkeypatch.setattr(module, "IN_VAIN_MAX", 2)
    records = [record_of(account) for _ in range(7)]
    for record in records:
        unconfirmed.keep(record)
    await AdmissionDesk(redis).settle_again(records)
    posted = {RequestId(str(record.request_id)): 2 for record in records[5:]}
    await write_mirror(redis, account.account_id, Snapshot(2, TOKENS - 20, ()), posted)
    assert await unconfirmed.forget_confirmed() == 0  # the four oldest
    assert await unconfirmed.forget_confirmed() == 2  # those behind them
    assert await unconfirmed.forget_confirmed() == 0  # from the oldest again
    posted = {RequestId(str(record.request_id)): 2 for record in records[:5]}
    await write_mirror(redis, account.account_id, Snapshot(3, TOKENS - 70, ()), posted)
    while len(unconfirmed):
        await unconfirmed.forget_confirmed()


async def test_all_of_it_is_settled_again_when_redis_may_have_lost_it(
    unconfirmed: Unconfirmed, redis: Redis, account: Account
) -> None:
    for _ in range(module.BATCH_RECORDS_MAX + 1):
        unconfirmed.keep(record_of(account))
    for _ in range(2):
        unconfirmed.settle_all_again()
        await unconfirmed.settle_waiting()
        assert await available(redis, account) == TOKENS - 10 * (module.BATCH_RECORDS_MAX + 1)


async def test_what_redis_did_not_take_waits_until_it_does(
    redis_line: TcpProxy, redis: Redis, account: Account
) -> None:
    async with open_redis(redis_line.url) as broken:
        unconfirmed = Unconfirmed(broken, AdmissionDesk(broken))
        record = record_of(account)
        unconfirmed.keep(record)
        unconfirmed.settle_again(record)
        await redis_line.cut()
        with pytest.raises(REDIS_ERRORS):
            await unconfirmed.settle_waiting()
        await redis_line.mend()
        await unconfirmed.settle_waiting()
    assert await available(redis, account) == TOKENS - 10


async def test_beyond_the_bound_the_oldest_are_forgotten(
    unconfirmed: Unconfirmed, redis: Redis, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECORDS_MAX", 2)
    for tokens in (1, 20, 300):
        unconfirmed.keep(record_of(account, tokens=tokens))
    assert len(unconfirmed) == 2
    unconfirmed.settle_all_again()
    await unconfirmed.settle_waiting()
    assert await available(redis, account) == TOKENS - 320


class LosesRedisBeforeItsAnswer(AdmissionDesk):
    """Once: what it was told is gone again, and known to be."""

    unconfirmed: Unconfirmed
    may_lose = True

    async def settle_again(self, records: Sequence[UsageRecord]) -> None:
        if self.may_lose:
            self.may_lose = False
            self.unconfirmed.settle_all_again()
            return
        await super().settle_again(records)


async def test_what_is_lost_while_it_is_being_told_is_told_again(redis: Redis, account: Account) -> None:
    desk = LosesRedisBeforeItsAnswer(redis)
    desk.unconfirmed = unconfirmed = Unconfirmed(redis, desk)
    unconfirmed.keep(record_of(account))
    unconfirmed.settle_all_again()
    await unconfirmed.settle_waiting()
    assert await available(redis, account) == TOKENS - 10
