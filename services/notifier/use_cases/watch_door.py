"""Is the way out open? Asked at start, by readiness and by the admin panel; the answer is kept for a moment, so
that asking often does not open a connection each time."""

import asyncio
from collections.abc import Awaitable, Callable
from email.headerregistry import Address

import structlog

from services.notifier.domain.relay_faults import RelayUnusable
from services.notifier.use_cases.deliver_mail import Mailer

TRUE_SECONDS = 30.0
FALSE_SECONDS = 5.0
"""A fault is looked at again sooner: somebody is mending it."""

log = structlog.get_logger()


class MailDoorClosed(Exception):
    """Mails cannot leave; they wait. The message says why and what to do."""


class MailDoorWatch:
    def __init__(self, mailer: Mailer, sender: Address, clock: Callable[[], float]) -> None:
        self._check: Callable[[], Awaitable[None]] = lambda: mailer.check(sender)
        self._clock = clock
        self._asking = asyncio.Lock()
        self._fault: str | None = None
        self._known_until = float("-inf")

    async def fault(self) -> str | None:
        """What is wrong, with the remedy; None when mails can leave."""
        async with self._asking:
            if self._clock() >= self._known_until:
                self._fault = await self._look()
                self._known_until = self._clock() + (FALSE_SECONDS if self._fault else TRUE_SECONDS)
            return self._fault

    async def probe(self) -> None:
        """Raises MailDoorClosed."""
        if fault := await self.fault():
            raise MailDoorClosed(fault)

    async def run(self) -> None:
        """For ever: tells the log, at start and whenever it changes."""
        told: str | None = "nothing yet"
        while True:
            fault = await self.fault()
            if fault != told:
                _tell(fault)
                told = fault
            await asyncio.sleep(TRUE_SECONDS)

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
