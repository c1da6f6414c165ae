"""Wait for a fact instead of for a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02
PATIENCE_SECONDS = 15.0
"""For what must come true and promises no time: a machine that does other things too may be slow. A test whose
subject is a time names it."""


async def eventually(predicate: Callable[[], Awaitable[T]], within_seconds: float = PATIENCE_SECONDS) -> T:
    """The first truthy result of the predicate; TimeoutError names it when there is none in time.

    A predicate may raise AssertionError to say "not yet"; the last one is the cause of the TimeoutError.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    cause: AssertionError | None = None
    while loop.time() < deadline:
        try:
            if result := await predicate():
                return result
        except AssertionError as error:
            cause = error
        await asyncio.sleep(POLL_SECONDS)
    name = getattr(predicate, "__name__", repr(predicate))
    raise TimeoutError(f"{name} did not come true within {within_seconds} s") from cause
