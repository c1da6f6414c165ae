"""A Redis with a chosen copy of the scripts, for code that is not asynchronous."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from redis.asyncio import Redis

from shared.admission import lua
from shared.admission.desk import AdmissionDesk
from shared.admission.lua import Scripts

T = TypeVar("T")


class World:
    """With a loop of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self.redis = Redis.from_url(url)
        lua._scripts[self.redis] = Scripts(self.redis, folder)
        self.desk = AdmissionDesk(self.redis)

    def run(self, awaitable: Awaitable[T]) -> T:
        async def run() -> T:
            return await awaitable

        return self._loop.run_until_complete(run())

    def close(self) -> None:
        self.run(self.redis.aclose())
        self._loop.close()
