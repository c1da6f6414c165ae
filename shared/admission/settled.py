"""What the settlement streams still keep, confirmed or not, for whoever wants to see all of it again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from shared.admission.entries import entries_in
from shared.admission.keys import settled_of
from shared.contracts.gateway import UsageRecord

ENTRIES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Settlement:
    """`age_seconds`: since it was settled, by Redis's clock, when the reading began."""

    record: UsageRecord
    age_seconds: float


async def read_settled(redis: Redis, shard: int) -> AsyncIterator[list[Settlement]]:
    """Oldest first, some at a time, up to now."""
    seconds, microseconds = await redis.time()
    now_ms = seconds * 1000 + microseconds // 1000
    start = "-"
    while True:
        raw: Any = await redis.xrange(settled_of(shard), start, now_ms, count=ENTRIES_AT_ONCE)
        if not raw:
            return
        yield [
            Settlement(entry.record, (now_ms - int(entry.id.position.partition("-")[0])) / 1000)
            for entry in entries_in(shard, raw)
        ]
        start = f"({raw[-1][0].decode()}"
