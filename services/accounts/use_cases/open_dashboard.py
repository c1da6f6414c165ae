"""Gathers what a holder sees: balance, usage, keys. The ledger may be away: the page stays and says so."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from services.accounts.adapters import key_list_postgres as key_list
from services.accounts.adapters.ledger_http import Ledger
from services.accounts.domain.dashboard import DAYS_SHOWN, Dashboard
from services.accounts.domain.people import Holder
from shared.errors import Unavailable
from shared.postgres import Pool

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OpenDashboard:
    pool: Pool
    ledger: Ledger

    async def __call__(self, holder: Holder) -> Dashboard:
        balance, usage, keys = await asyncio.gather(
            _or_none(self.ledger.find_balance(holder.account_id)),
            _or_none(self.ledger.find_usage(holder.account_id, days=DAYS_SHOWN)),
            key_list.list_keys(self.pool, holder.account_id),
        )
        return Dashboard(balance, usage, tuple(keys))


async def _or_none(answer: Awaitable[T | None]) -> T | None:
    try:
        return await answer
    except Unavailable as error:
        log.warning("ledger_unavailable", reason=type(error.__cause__ or error).__name__)
        return None
