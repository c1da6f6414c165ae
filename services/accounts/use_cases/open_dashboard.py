"""Gathers what a holder sees of their account. Each part may be away: the page stays and says what is missing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from services.accounts.adapters import key_list_postgres as key_list
from services.accounts.adapters.ledger_http import Ledger
from services.accounts.adapters.sales_http import Sales
from services.accounts.domain.dashboard import Balance, KeyUse, UsageDay
from services.accounts.domain.keys import Key
from services.accounts.domain.payments import PaymentNews, news_of
from services.accounts.use_cases.partly import or_none
from shared.contracts.internal.billing import Purchase
from shared.contracts.internal.metering import Receipt, ReceiptPage, ReceiptReply, UsageRow
from shared.ids import AccountId
from shared.postgres import Pool

RECENT_REQUESTS = 10
REQUESTS_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What is None could not be asked, or is of an account that the ledger does not know yet."""

    keys: tuple[KeyUse, ...]
    balance: Balance | None
    usage: tuple[UsageDay, ...] | None
    requests: tuple[Receipt, ...] | None
    purchases: tuple[Purchase, ...] | None
    methods: tuple[str, ...] | None
    payment: PaymentNews


@dataclass(frozen=True, slots=True)
class OpenDashboard:
    pool: Pool
    ledger: Ledger
    sales: Sales

    async def __call__(self, account_id: AccountId, *, days: int, now: datetime) -> Dashboard:
        since, until = _whole_days(days, now)
        (balance, usage, requests, by_key), (purchases, methods), keys = await asyncio.gather(
            asyncio.gather(
                or_none(self.ledger.find_balance(account_id)),
                or_none(self.ledger.find_usage(account_id, days=days)),
                or_none(self.ledger.list_requests(account_id, limit=RECENT_REQUESTS)),
                or_none(self.ledger.report(account_id, "key", since=since, until=until)),
            ),
            asyncio.gather(
                or_none(self.sales.list_purchases(account_id)), or_none(self.sales.list_methods())
            ),
            key_list.list_keys(self.pool, account_id),
        )
        return Dashboard(
            keys=await self._used(account_id, keys, by_key),
            balance=balance,
            usage=usage,
            requests=requests.receipts if requests else None,
            purchases=purchases,
            methods=methods,
            payment=news_of(purchases or (), now),
        )

    async def usage(self, account_id: AccountId, *, days: int) -> tuple[UsageDay, ...]:
        """Raises Unavailable: a file is whole or not at all."""
        return await self.ledger.find_usage(account_id, days=days) or ()

    async def payment(self, account_id: AccountId, now: datetime) -> PaymentNews:
        return news_of(await or_none(self.sales.list_purchases(account_id)) or (), now)

    async def requests(self, account_id: AccountId, *, cursor: str | None) -> ReceiptPage | None:
        """Raises Unavailable, or RefusedThere for a cursor that is none."""
        return await self.ledger.list_requests(account_id, limit=REQUESTS_PER_PAGE, cursor=cursor)

    async def receipt(self, account_id: AccountId, request_id: UUID) -> ReceiptReply | None:
        return await self.ledger.find_receipt(account_id, request_id)

    async def _used(
        self, account_id: AccountId, keys: Sequence[Key], by_key: Sequence[UsageRow] | None
    ) -> tuple[KeyUse, ...]:
        """When a key was used last is asked only for those that were: one small question each."""
        active = [key for key in keys if key.is_active]
        if by_key is None:
            return tuple(KeyUse(key, None, None) for key in active)
        tokens = {row.group: row.tokens_prompt + row.tokens_completion for row in by_key}
        last = await asyncio.gather(*(self._last_used_at(account_id, key, tokens) for key in active))
        return tuple(KeyUse(key, tokens.get(key.key_id, 0), at) for key, at in zip(active, last, strict=True))

    async def _last_used_at(self, account_id: AccountId, key: Key, tokens: dict[str, int]) -> datetime | None:
        if key.key_id not in tokens:
            return None
        newest = await or_none(self.ledger.list_requests(account_id, limit=1, key_id=key.key_id))
        return newest.receipts[0].ended_at if newest and newest.receipts else None


def _whole_days(days: int, now: datetime) -> tuple[datetime, datetime]:
    """As the chart shows them, in UTC: their sums are kept, those of parts of days are not."""
    until = datetime.combine(now.date(), time.min, UTC) + timedelta(days=1)
    return until - timedelta(days=days), until
