"""What the settlement streams still keep, confirmed or not, for whoever wants to see all of it again."""

from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis

from shared.admission.entries import entries_in
from shared.admission.keys import settled_of
from shared.contracts.gateway import UsageRecord

ENTRIES_AT_ONCE = 1000


async def read_settled(
    redis: Redis, shard: int, *, older_than_seconds: float
) -> AsyncIterator[list[UsageRecord]]:
    """Oldest first, some at a time; those that were settled at least so long ago, by Redis's clock."""
    seconds, microseconds = await redis.time()
    end = round((seconds + microseconds / 1_000_000 - older_than_seconds) * 1000)
    start = "-"
    while True:
        raw: Any = await redis.xrange(settled_of(shard), start, end, count=ENTRIES_AT_ONCE)
        if not raw:
            return
        yield [entry.record for entry in entries_in(shard, raw)]
        start = f"({raw[-1][0].decode()}"
