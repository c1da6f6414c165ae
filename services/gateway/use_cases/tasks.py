"""Work that outlives the request that started it: kept from being forgotten, waited for at the end."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from shared.errors import PromptlyError

T = TypeVar("T")
log = structlog.get_logger()


async def until_either(first: asyncio.Future[Any], second: asyncio.Future[Any]) -> None:
    """What `asyncio.wait` does for any number of them, at a price that each request would pay."""
    waiter = asyncio.get_running_loop().create_future()

    def wake(_: asyncio.Future[Any]) -> None:
        if not waiter.done():
            waiter.set_result(None)

    for each in (first, second):
        each.add_done_callback(wake)
    try:
        await waiter
    finally:
        for each in (first, second):
            each.remove_done_callback(wake)


class Tasks:
    """The running ones. `drain` waits for them before the process ends."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """What we expect to go wrong is told to the client; the rest nobody may be waiting for."""
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, PromptlyError):
            log.error("task_failed", exc_info=error)

    async def drain(self, timeout_seconds: float) -> None:
        """Also for what the running ones start meanwhile."""
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while self._running and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._running, timeout=left)
        if self._running:
            log.error("tasks_abandoned", count=len(self._running))
