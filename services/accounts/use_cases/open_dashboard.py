"""Shows the holder of an active key their balance and usage. The ledger may be away: the page stays."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from services.accounts.adapters.ledger_http import Ledger
from services.accounts.domain.dashboard import DAYS_SHOWN, Dashboard
from services.accounts.use_cases.identify import Identify
from shared.errors import Unavailable

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OpenDashboard:
    identify: Identify
    ledger: Ledger

    async def __call__(self, key: str) -> Dashboard | None:
        """None when this is no key, or none that is active."""
        holder = await self.identify.by_key(key)
        if holder is None:
            return None
        balance, usage = await asyncio.gather(
            _or_none(self.ledger.find_balance(holder.account_id)),
            _or_none(self.ledger.find_usage(holder.account_id, days=DAYS_SHOWN)),
        )
        return Dashboard(holder.email, holder.key_display, balance, usage)


async def _or_none(answer: Awaitable[T | None]) -> T | None:
    try:
        return await answer
    except Unavailable as error:
        log.warning("ledger_unavailable", reason=type(error.__cause__ or error).__name__)
        return None
