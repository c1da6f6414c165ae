"""Once an hour: forget the mails that ended long ago, and the events that nobody delivers any more."""

import asyncio

import structlog

from services.notifier.use_cases.see_mails import SeeMails
from shared import inbox
from shared.background import end_if_stopping
from shared.clock import utc_now
from shared.postgres import POSTGRES_ERRORS, Pool

INTERVAL_SECONDS = 3_600.0
PAUSE_SECONDS = 0.1
"""Between bounded bites: whoever has work to do goes first."""

log = structlog.get_logger()


async def keep_house(pool: Pool, mails: SeeMails) -> None:
    """For ever. Several processes may do it at once."""
    while True:
        try:
            await _forget_all(pool, mails)
        except POSTGRES_ERRORS as error:
            log.warning("housekeeping_failed", reason=type(error).__name__)
            end_if_stopping()
        await asyncio.sleep(INTERVAL_SECONDS)


async def _forget_all(pool: Pool, mails: SeeMails) -> None:
    while True:
        forgotten = await mails.prune() + await inbox.prune(pool, utc_now())
        if not forgotten:
            return
        await asyncio.sleep(PAUSE_SECONDS)
