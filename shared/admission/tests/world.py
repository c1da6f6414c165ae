"""A Redis with a chosen copy of the scripts, for code that is not asynchronous; it can be lost."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from shared.admission import lua
from shared.admission.desk import AdmissionDesk
from shared.admission.lua import Scripts
from shared.redis_client import open_redis

T = TypeVar("T")


class LivedScripts(Scripts):
    """The epoch is the test's: a life ends without a restart."""

    life = 0

    async def _load(self) -> None:
        self.epoch = f"life-{self.life}"
        texts = {name: f"local EPOCH = '{self.epoch}'\n{text}" for name, text in self._sources.items()}
        for text in texts.values():
            await self._redis.script_load(text)
        self._hashes = {name: lua._hash_of(text) for name, text in texts.items()}
        self._loads += 1

    def end_life(self) -> None:
        self.life += 1
        self._hashes = {}


@dataclass(frozen=True)
class File:
    """What Redis would find on its disk: (name, time to live, value)."""

    entries: tuple[tuple[bytes, int, bytes], ...]


class World:
    """With a loop of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self.redis = open_redis(url)
        self._scripts = LivedScripts(self.redis, folder)
        lua._scripts[self.redis] = self._scripts
        self.desk = AdmissionDesk(self.redis)
        self.run(self.redis.config_set("hz", 500))  # a read that waits for a millisecond takes no longer

    def run(self, awaitable: Awaitable[T]) -> T:
        async def run() -> T:
            return await awaitable

        return self._loop.run_until_complete(run())

    def close(self) -> None:
        self.run(self.redis.config_set("hz", 10))
        self.run(self.redis.aclose())
        self._loop.close()

    def begin(self) -> None:
        """An empty Redis in its first life."""
        self._scripts.life = 0
        self._scripts._hashes = {}
        self.empty()

    def empty(self) -> None:
        self.run(self.redis.flushdb())

    def save(self) -> File:
        return self.run(self._save())

    def restart_from(self, file: File) -> None:
        self.run(self._restart_from(file))

    async def _save(self) -> File:
        names: Any = await self.redis.keys("*")
        async with self.redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.pttl(name)
                pipeline.dump(name)
            replies = await pipeline.execute()
        return File(tuple(zip(names, replies[::2], replies[1::2], strict=True)))

    async def _restart_from(self, file: File) -> None:
        self._scripts.end_life()
        async with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.flushdb()
            for name, ttl_ms, value in file.entries:
                pipeline.restore(name, max(ttl_ms, 0), value)
            await pipeline.execute()
