"""A use case that runs again and again: at once when kicked, else after an interval, through every outage."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from shared.postgres import POSTGRES_ERRORS

log = structlog.get_logger()


class Schedule:
    """One action's rounds, never two at a time here; other replicas may run theirs. A fault that is no outage ends
    `run`, and so the process."""

    def __init__(self, name: str, action: Callable[[], Awaitable[object]], *, every_seconds: float) -> None:
        self.name = name
        self._action = action
        self._every_seconds = every_seconds
        self._kicked = asyncio.Event()

    def kick(self) -> None:
        """Run (again) now; kicks during a round are one more round."""
        self._kicked.set()

    async def run(self) -> None:
        while True:
            self._kicked.clear()
            try:
                await self._action()
            except POSTGRES_ERRORS as error:
                log.warning("schedule_failed", schedule=self.name, reason=type(error).__name__)
                await asyncio.sleep(self._every_seconds)
            else:
                await self._wait()

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._every_seconds):
                await self._kicked.wait()
