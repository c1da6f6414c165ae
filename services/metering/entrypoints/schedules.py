"""A use case that runs again and again: at once when kicked, else after an interval, through every outage."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from shared.postgres import POSTGRES_ERRORS

OUTAGES = (RedisError, *POSTGRES_ERRORS)
"""What a server that is down, or a statement that lost a race, looks like: the next round tries again."""

log = structlog.get_logger()


class Schedule:
    """One action's rounds, never two at a time. A fault that is no outage ends `run`, and so the process."""

    def __init__(
        self,
        name: str,
        action: Callable[[], Awaitable[None]],
        *,
        every_seconds: float,
        rest_seconds: float = 0.0,
        observe_lag: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Between two rounds it rests, whoever kicks. `observe_lag` is told how long after the first of the kicks
        the round that answered them was over."""
        self.name = name
        self._action = action
        self._every_seconds = every_seconds
        self._rest_seconds = rest_seconds
        self._observe_lag = observe_lag
        self._kicked = asyncio.Event()
        self._first_kick_seconds: float | None = None

    def kick(self) -> None:
        """Run (again) now; kicks during a round are one more round."""
        self._kicked.set()
        self._first_kick_seconds = self._first_kick_seconds or time.monotonic()

    async def run(self) -> None:
        while True:
            self._kicked.clear()
            kicked_seconds, self._first_kick_seconds = self._first_kick_seconds, None
            try:
                await self._action()
            except OUTAGES as error:
                log.warning("schedule_failed", schedule=self.name, reason=type(error).__name__)
                self._first_kick_seconds = kicked_seconds
                await asyncio.sleep(self._every_seconds)
            else:
                if kicked_seconds is not None:
                    self._observe_lag(time.monotonic() - kicked_seconds)
                await self._wait()

    async def _wait(self) -> None:
        await asyncio.sleep(self._rest_seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._every_seconds - self._rest_seconds):
                await self._kicked.wait()
