"""Questions that many have at the same time, asked once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Generic, TypeVar

About = TypeVar("About")
Answer = TypeVar("Answer")


class AskOnce(Generic[About, Answer]):
    """Who asks while the same is being asked gets that answer, or its error. It is asked to the end, whoever
    leaves."""

    def __init__(self, ask: Callable[[About], Coroutine[None, None, Answer]]) -> None:
        self._ask = ask
        self._running: dict[About, asyncio.Task[Answer]] = {}

    async def __call__(self, about: About) -> Answer:
        asking = self._running.get(about)
        if asking is None:
            asking = self._running[about] = asyncio.get_running_loop().create_task(self._ask(about))
            asking.add_done_callback(lambda task: self._forget(about, task))
        return await asyncio.shield(asking)

    def _forget(self, about: About, task: asyncio.Task[Answer]) -> None:
        del self._running[about]
        if not task.cancelled():
            task.exception()  # known, also when nobody waits any more
