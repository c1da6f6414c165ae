"""May this process still speak for its open requests? Only while it tells Redis of them: the hold of one that was
not heard of for 30 s is swept, and its money spent by others.

A process that stood still (stopped, starved) finds out with its first checkpoint. Until that is answered it
delivers nothing. While Redis does not answer nobody sweeps, and running answers go on.
"""

import asyncio
import time

STANDSTILL_SECONDS = 10.0
"""Well below what is waited before a sweep; far above what a busy loop is late."""


class Lease:
    def __init__(self) -> None:
        self._renewed_at = time.monotonic()
        self._renewed = asyncio.Event()

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self._renewed_at < STANDSTILL_SECONDS

    async def until_fresh(self) -> None:
        """Cancelled when the hold is found to have been swept. An answer to what was asked before is too old: it
        may have been on its way while this process stood still."""
        if self.is_fresh:
            return
        since = time.monotonic()
        while self._renewed_at < since:
            await self._renewed.wait()

    def renew(self, asked_at: float) -> None:
        """Redis has been asked, and what it answered has been acted upon; or it did not answer. `asked_at` as
        time.monotonic has it: a loop's own clock may stand still while the loop does."""
        self._renewed_at = asked_at
        self._renewed.set()
        self._renewed = asyncio.Event()
