"""Pauses between attempts on something that is down: growing, and never longer than a bound."""

import asyncio

from shared.background import end_if_stopping


class Backoff:
    """`await wait()` after each failure, `reset()` after a success."""

    def __init__(self, *, first_seconds: float, max_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._max_seconds = max_seconds
        self._next_seconds = first_seconds

    async def wait(self) -> None:
        seconds = self._next_seconds
        self._next_seconds = min(seconds * 2, self._max_seconds)
        end_if_stopping()
        await asyncio.sleep(seconds)

    def reset(self) -> None:
        self._next_seconds = self._first_seconds
