"""The loops of a service: they live as long as the process, and a crashed one ends it.

A process that limps on without its outbox relay or its consumer looks healthy and loses the point;
one that stops is restarted by its supervisor, and nothing that matters lives in its memory.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

import structlog

STOP_TIMEOUT_SECONDS = 20

log = structlog.get_logger()


class Background:
    """`async with Background() as background: background.start("outbox_relay", relay.run)`."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Stops the loops in the reverse order of their start, each given time to finish its step."""
        for task in reversed(self._tasks):
            task.cancel()
            await asyncio.wait([task], timeout=STOP_TIMEOUT_SECONDS)

    def start(self, name: str, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(loop(), name=name)
        task.add_done_callback(_end_the_process_on_a_crash)
        self._tasks.append(task)


def end_if_stopping() -> None:
    """For a loop that goes on after an error: raises CancelledError when the loop was told to stop.

    asyncpg, cancelled while its connection is broken, raises an InterfaceError instead: the loop would outlive it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _end_the_process_on_a_crash(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    error = task.exception()
    log.error("background_loop_ended", loop=task.get_name(), exc_info=error)
    os.kill(os.getpid(), signal.SIGTERM)
