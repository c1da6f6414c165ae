"""A schedule that runs while a test looks on; its fault is the test's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.metering.entrypoints.schedules import Schedule


@asynccontextmanager
async def running(schedule: Schedule) -> AsyncIterator[None]:
    task = asyncio.create_task(schedule.run())
    try:
        yield
    finally:
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
    if not isinstance(outcome, asyncio.CancelledError):
        raise AssertionError("the schedule ended by itself") from outcome
