"""Is the way out open? Asked at start, by readiness and by the admin panel; the answer is kept for a moment, so
that asking often does not open a connection each time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.headerregistry import Address

import structlog

from services.notifier.domain.relay_faults import RelayUnusable
from services.notifier.use_cases.deliver_mail import Mailer

TRUE_SECONDS = 30.0
FALSE_SECONDS = 5.0
"""A fault is looked at again sooner: somebody is mending it."""
PATIENCE_SECONDS = 1.0
"""A silent relay takes a look of 20 s and more: whoever asks meanwhile, a page of the panel, hears what was known."""
UNKNOWN = "The relay has not answered yet."

log = structlog.get_logger()


class MailDoorClosed(Exception):
    """Mails cannot leave; they wait. The message says why and what to do."""


class MailDoorWatch:
    def __init__(self, mailer: Mailer, sender: Address, clock: Callable[[], float]) -> None:
        self._check: Callable[[], Awaitable[None]] = lambda: mailer.check(sender)
        self._clock = clock
        self._looking: asyncio.Task[None] | None = None
        self._fault: str | None = UNKNOWN
        self._known_until = float("-inf")

    async def fault(self) -> str | None:
        """What is wrong, with the remedy; None when mails can leave."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._know()
        return self._fault

    async def probe(self) -> None:
        """Raises MailDoorClosed."""
        if fault := await self.fault():
            raise MailDoorClosed(fault)

    async def run(self) -> None:
        """For ever: tells the log, at start and whenever it changes."""
        told: str | None = "nothing yet"
        while True:
            await self._know()
            if self._fault != told:
                _tell(self._fault)
                told = self._fault
            await asyncio.sleep(TRUE_SECONDS)

    async def _know(self) -> None:
        """Until the answer is fresh. One look at a time, whoever asks, and it goes on when they stop waiting."""
        if self._clock() < self._known_until:
            return
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_anew())
        await asyncio.shield(self._looking)

    async def _look_anew(self) -> None:
        self._fault = await self._look()
        self._known_until = self._clock() + (FALSE_SECONDS if self._fault else TRUE_SECONDS)

    async def _look(self) -> str | None:
        try:
            await self._check()
        except (RelayUnusable, OSError) as error:
            return str(error) or type(error).__name__
        return None


def _tell(fault: str | None) -> None:
    if fault:
        log.error("mails_cannot_leave", remedy=fault)
    else:
        log.info("mails_can_leave")
