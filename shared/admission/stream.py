"""The settlement streams: the outbox from Redis to the bus, one per shard, read by all gateways together.

An entry is unconfirmed until it is acknowledged, which happens only after the broker's confirm. Until then
nothing removes it, and one that its reader forgot is read again by another.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.admission.entries import Entry, EntryId, RawEntry, entries_in
from shared.admission.keys import settled_of
from shared.admission.lua import Call, run
from shared.admission.shards import SHARDS
from shared.redis_client import ask_all, ask_each

GROUP = "publishers"
ENTRIES_PER_SHARD_MAX = 100
"""Of one read: COUNT is per stream, so a read returns at most 6,400, about 2 MB: requests on the same line wait for as
long as that takes, some 10 ms."""
ENTRIES_PER_PAGE = 500
"""Of what is kept."""
IDLE_MS = 5_000
"""A reader that has not acknowledged for so long is taken for dead."""
KEEP_MS = 24 * 3_600_000
"""For replay into an emptied broker."""
KEEP_BYTES = 256 * 1024 * 1024
"""Of all shards together: the second bound of what is kept for replay."""

READ_AT_ONCE = 20
"""Of a batch, about 0.1 ms; then requests have their turn,"""
TURN_SECONDS = 0.001
"""for so long: at half load a batch read without a pause kept one request of ten waiting for milliseconds."""

STREAMS = tuple(settled_of(shard) for shard in range(SHARDS))
NEW = (*STREAMS, *(">" for _ in STREAMS))
"""As XREADGROUP wants it: all names, and what each is read from."""
SHARD_OF_STREAM = {name.encode(): shard for shard, name in enumerate(STREAMS)}


class SettlementStream:
    """All 64 streams as one. `consumer` names the process that reads."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read_batch(self, consumer: str) -> list[Entry]:
        """New entries of all shards, as many as there are now. Who waits for more asks again: a read that blocked would
        need a connection of its own, and Redis would wake it for the first entry alone."""
        read = ("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", ENTRIES_PER_SHARD_MAX, "STREAMS", *NEW)
        [reply] = await ask_each(self._redis, [read])
        if isinstance(reply, Exception):
            if not _is_no_group(reply):
                raise reply
            await self._create_groups()
            [reply] = await ask_all(self._redis, [read])
        return await read_in_turns(
            [(SHARD_OF_STREAM[name], list(_raw_entries(raw))) for name, raw in reply or ()]
        )

    async def reclaim(self, consumer: str, *, idle_ms: int = IDLE_MS) -> list[Entry]:
        """Entries that anyone read and did not acknowledge for that long; now they are this consumer's."""
        count = ("COUNT", ENTRIES_PER_SHARD_MAX)
        claims = [("XAUTOCLAIM", name, GROUP, consumer, idle_ms, "0-0", *count) for name in STREAMS]
        claimed = _of_existing_groups(await ask_each(self._redis, claims))
        return await read_in_turns([(shard, list(_raw_entries(reply[1]))) for shard, reply in claimed])

    async def acknowledge(self, ids: Iterable[EntryId]) -> None:
        """Published and confirmed. Doing it again does no harm."""
        by_shard: defaultdict[int, list[str]] = defaultdict(list)
        for entry_id in ids:
            by_shard[entry_id.shard].append(entry_id.position)
        acknowledged = [("XACK", STREAMS[shard], GROUP, *places) for shard, places in by_shard.items()]
        await ask_all(self._redis, acknowledged)

    async def unconfirmed_count(self) -> int:
        """Entries of all shards that are not acknowledged, read or not."""
        return sum(_unconfirmed_in(group) for _, group in await self._groups())

    async def oldest_unconfirmed_ms(self) -> int | None:
        """When the oldest entry that is not acknowledged was written, of all shards; None when all are."""
        groups = await self._groups()
        asked: list[tuple[Any, ...]] = [("XPENDING", STREAMS[shard], GROUP) for shard, _ in groups]
        asked += [
            ("XRANGE", STREAMS[shard], b"(" + group[b"last-delivered-id"], "+", "COUNT", 1)
            for shard, group in groups
        ]
        answers = await ask_all(self._redis, asked)
        pending = [summary[1] for summary in answers[: len(groups)] if summary[1]]
        unread = [entries[0][0] for entries in answers[len(groups) :] if entries]
        return min((int(entry_id.split(b"-")[0]) for entry_id in (*pending, *unread)), default=None)

    async def kept(self) -> AsyncIterator[list[Entry]]:
        """Everything that is still there, confirmed or not, shard by shard in pages. Changes nothing."""
        for shard, name in enumerate(STREAMS):
            after = "-"
            while raw := await self._page(name, after):
                after = "(" + raw[-1][0].decode()
                yield list(entries_in(shard, raw))

    async def trim(
        self, *, keep_ms: int = KEEP_MS, keep_bytes: int = KEEP_BYTES, silent_ms: int = KEEP_MS
    ) -> int:
        """Forgets acknowledged entries that are older than that, and the oldest ones beyond that size (about,
        and of every shard in proportion). Returns how many. Forgets readers that were silent for so long."""
        per_thousand = min(keep_bytes * 1000 // max(await self._bytes(), 1), 1000)
        calls = [Call("trim", [name], [keep_ms, per_thousand, silent_ms]) for name in STREAMS]
        return sum(await run(self._redis, *calls))

    async def _page(self, name: str, after: str) -> list[RawEntry]:
        page: Any = await self._redis.xrange(name, min=after, count=ENTRIES_PER_PAGE)
        return list(page)

    async def _bytes(self) -> int:
        return sum(
            size or 0 for size in await ask_all(self._redis, [("MEMORY", "USAGE", name) for name in STREAMS])
        )

    async def _groups(self) -> list[tuple[int, dict[bytes, Any]]]:
        """Of each shard that has been read, with its number. Once a second and in one round trip: redis-py's own
        reading of as many replies keeps every request waiting for ten milliseconds."""
        replies = await ask_each(self._redis, [("XINFO", "GROUPS", name) for name in STREAMS])
        return [
            (shard, dict(zip(flat[::2], flat[1::2], strict=True)))
            for shard, groups in _of_existing_groups(replies)
            for flat in groups
        ]

    async def _create_groups(self) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for name in STREAMS:
                pipeline.xgroup_create(name, GROUP, id="0", mkstream=True)
            replies = await pipeline.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, Exception) and "BUSYGROUP" not in str(reply):
                raise reply


async def read_in_turns(raw_by_shard: Iterable[tuple[int, Sequence[RawEntry]]]) -> list[Entry]:
    """Some at a time, so that a large batch keeps no request waiting for all of it."""
    entries: list[Entry] = []
    unseen = 0
    for shard, raw in raw_by_shard:
        for start in range(0, len(raw), READ_AT_ONCE):
            some = raw[start : start + READ_AT_ONCE]
            entries += entries_in(shard, some)
            unseen += len(some)
            if unseen >= READ_AT_ONCE:
                unseen = 0
                await asyncio.sleep(TURN_SECONDS)
    return entries


def _of_existing_groups(replies: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Replies by shard; a stream or group that is not there yet has none."""
    for shard, reply in enumerate(replies):
        if not isinstance(reply, Exception):
            yield shard, reply
        elif not _is_no_group(reply):
            raise reply


def _is_no_group(error: Exception) -> bool:
    return isinstance(error, ResponseError) and any(text in str(error) for text in ("NOGROUP", "no such key"))


def _unconfirmed_in(group: Mapping[bytes, Any]) -> int:
    return int(group[b"pending"]) + int(group[b"lag"] or 0)


def _raw_entries(entries: Sequence[Any]) -> Iterator[RawEntry]:
    """Fields come as a list of names and values."""
    for position, fields in entries:
        yield position, dict(zip(fields[::2], fields[1::2], strict=True))
