"""Work that outlives the request that started it: kept from being forgotten, waited for at the end."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

T = TypeVar("T")
log = structlog.get_logger()


class Tasks:
    """The running ones. `drain` waits for them before the process ends."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def drain(self, timeout_seconds: float) -> None:
        """Also for what the running ones start meanwhile."""
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while self._running and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._running, timeout=left)
        if self._running:
            log.error("tasks_abandoned", count=len(self._running))
