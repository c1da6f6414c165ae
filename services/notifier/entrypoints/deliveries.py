"""The delivery loop: a few dialogues at once, woken by new mails, and by the clock for retries.

A relay that is slow to one recipient holds back one dialogue, not the others; mails wait in the table, not in
memory. Cancelled, it finishes and records the dialogues in progress, so that a restart sends nothing twice.
"""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog

from services.notifier.use_cases.deliver_mail import MailDelivery
from shared.bus.backoff import Backoff
from shared.postgres import POSTGRES_ERRORS

DIALOGUES_MAX = 4
"""More than one sender needs at a smart host, less than most of them allow."""
POLL_SECONDS = 1.0
"""How late a retry may be, or a mail whose process died before delivering it."""
PAUSE_FIRST_SECONDS = 0.5
PAUSE_MAX_SECONDS = 5.0

log = structlog.get_logger()


class Deliveries:
    def __init__(self, delivery: MailDelivery) -> None:
        self._delivery = delivery
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """A mail was written: look now instead of at the next poll."""
        self._woken.set()

    async def run(self) -> None:
        """For ever, through outages of PostgreSQL and of the relay."""
        async with asyncio.TaskGroup() as group:
            for _ in range(DIALOGUES_MAX):
                group.create_task(self._deliver_for_ever())

    async def _deliver_for_ever(self) -> None:
        backoff = Backoff(first_seconds=PAUSE_FIRST_SECONDS, max_seconds=PAUSE_MAX_SECONDS)
        while True:
            try:
                was_due = await _finish(self._delivery.deliver_next(jitter=random.random()))  # noqa: S311
            except POSTGRES_ERRORS as error:
                log.warning("deliveries_paused", reason=type(error).__name__)
                await backoff.wait()
                continue
            backoff.reset()
            if not was_due:
                await self._wait_for_work()

    async def _wait_for_work(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._woken.wait()
        self._woken.clear()


async def _finish(step: Coroutine[Any, Any, bool]) -> bool:
    """Awaits the step; cancelled meanwhile, lets it end before that takes effect."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
