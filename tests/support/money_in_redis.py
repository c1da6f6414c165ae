"""What Redis says of accounts: watched all the time while a story runs, and waited for to become quiet."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from threading import Event
from typing import Any

import redis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.admission.keys import AccountKeys, leases_of
from shared.admission.shards import SHARDS
from shared.admission.stream import SettlementStream
from shared.redis_client import open_redis
from tests.support.eventually import eventually
from tests.support.newcomers import Newcomer

SAMPLE_SECONDS = 0.002
ANSWER_SECONDS_MAX = 1.0


@dataclass(slots=True)
class BalanceWatch:
    """The lowest that was seen of posted - journalled - held, over all samples of all accounts."""

    samples: int = 0
    lowest: int = 1 << 53

    def see(self, record: dict[bytes, bytes]) -> None:
        if record:
            self.samples += 1
            self.lowest = min(self.lowest, free_in(record))


def free_in(record: dict[bytes, bytes]) -> int:
    """Not clamped to zero, as what a client is shown is."""
    grants = sum(int(value.split(b":")[0]) for name, value in record.items() if name.startswith(b"grant:"))
    posted, journalled, held = (int(record[name]) for name in (b"posted", b"journalled", b"held"))
    return posted + grants - journalled - held


@asynccontextmanager
async def watched_balances(redis_url: str, newcomers: Sequence[Newcomer]) -> AsyncIterator[BalanceWatch]:
    """From a thread of its own: a loop that drives two hundred clients would look only now and then."""
    watch, ended = BalanceWatch(), Event()
    watching = asyncio.create_task(asyncio.to_thread(_watch, redis_url, newcomers, watch, ended))
    try:
        yield watch
    finally:
        ended.set()
        await watching


def _watch(redis_url: str, newcomers: Sequence[Newcomer], watch: BalanceWatch, ended: Event) -> None:
    names = [AccountKeys(each.account_id).account for each in newcomers]
    with redis.Redis.from_url(redis_url, socket_timeout=ANSWER_SECONDS_MAX) as client:
        while not ended.wait(SAMPLE_SECONDS):
            with suppress(RedisError, OSError):  # a story may have killed it
                pipeline = client.pipeline(transaction=False)
                for name in names:
                    pipeline.hgetall(name)
                for record in pipeline.execute():
                    watch.see(record)


async def until_quiet(redis_url: str, newcomers: Iterable[Newcomer], within_seconds: float = 30) -> None:
    """No hold, no lease, nothing settled that is not posted, nothing posted that is not published."""
    async with open_redis(redis_url) as client:
        await eventually(lambda: _is_quiet(client, newcomers), within_seconds)


async def _is_quiet(redis: Redis, newcomers: Iterable[Newcomer]) -> bool:
    try:
        left = [name for each in newcomers for name in await _left_of(redis, each)]
        leases = sum([await redis.zcard(leases_of(shard)) for shard in range(SHARDS)])
        unconfirmed = await SettlementStream(redis).unconfirmed_count()
    except (RedisError, OSError) as error:
        raise AssertionError("Redis does not answer") from error
    assert (left, leases, unconfirmed) == ([], 0, 0)
    return True


async def _left_of(redis: Redis, newcomer: Newcomer) -> list[str]:
    names = AccountKeys(newcomer.account_id)
    record: Any = await redis.hgetall(names.account)
    running = [name.decode() for name in record if name.startswith(b"running:")]
    amounts = [name.decode() for name in (b"held", b"journalled") if int(record.get(name, 0))]
    hashes = [name for name in (names.holds, names.journal) if await redis.exists(name)]
    return running + amounts + hashes
