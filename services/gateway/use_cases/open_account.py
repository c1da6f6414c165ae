"""Has an account mirrored that Redis does not know, and waits while it is still closed after a loss."""

import asyncio
from typing import assert_never

import structlog

from services.gateway.adapters.refills_http import HttpRefills, Mirrored, NotInLedger, OpensLater
from services.gateway.domain.errors import Overloaded
from shared.ids import AccountId

WAIT_SECONDS_MAX = 3.0
"""Twice as long as an account stays closed when nothing else is wrong."""

log = structlog.get_logger()


async def open_account(refills: HttpRefills, account_id: AccountId) -> None:
    """Returns when Redis has it, open. Raises Overloaded when that takes too long, and Unavailable."""
    deadline = _now() + WAIT_SECONDS_MAX
    while True:
        match await refills.mirror_account(account_id):
            case Mirrored():
                return
            case OpensLater(wait_seconds) if _now() + wait_seconds <= deadline:
                await asyncio.sleep(wait_seconds)
            case OpensLater():
                raise not_ready("closed")
            case NotInLedger():
                raise not_ready("not_in_ledger")
            case other:
                assert_never(other)


def not_ready(reason: str) -> Overloaded:
    log.warning("account_not_ready", reason=reason)
    return Overloaded("The account is not ready yet. Please try again.", retry_after_seconds=1)


def _now() -> float:
    return asyncio.get_running_loop().time()
