"""The mixed load without an end, for as long as a story breaks something under it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

from tests.support.fleet import GATEWAYS, Fleet
from tests.support.mixed_load import Call, Mix, Senders
from tests.support.newcomers import Newcomer

AT_ONCE = 8
CALLS_MAX = 20_000


@asynccontextmanager
async def traffic(fleet: Fleet, newcomers: Sequence[Newcomer], seed: int) -> AsyncIterator[Senders]:
    """Ends when each call that has begun has its answer."""
    calls = Mix(seed, newcomers, GATEWAYS).calls(CALLS_MAX)
    is_over = asyncio.Event()
    async with Senders(fleet.urls(), AT_ONCE) as senders, asyncio.TaskGroup() as workers:
        for _ in range(AT_ONCE):
            workers.create_task(_work(senders, calls, is_over))
        try:
            yield senders
        finally:
            is_over.set()


async def _work(senders: Senders, calls: Iterator[Call], is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        await senders.send(next(calls))
