"""What an account has used, as the ledger has posted it. Never anybody else's.

A request that has just ended is posted within a second or so: its receipt is waited for, not denied.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from services.gateway.adapters.usage_http import HttpUsage
from services.gateway.domain.errors import Overloaded, RequestNotPosted
from services.gateway.domain.usage_query import UsageQuery
from shared.contracts.internal.metering import ReceiptPage, ReceiptReply, UsageReport
from shared.errors import Unavailable
from shared.ids import AccountId

RETRY_AFTER_SECONDS = 2
WAIT_SECONDS = 2.0
"""Several times what a settlement usually needs from the gateway to the ledger."""
POLL_SECONDS = 0.1
MAY_STILL_COME = timedelta(hours=1)
"""Longer than the longest request runs. What was sent before and is not posted never will be: no wait."""
KEY_FRESH_SECONDS = 60.0

Answer = TypeVar("Answer")
Clock = Callable[[], datetime]


class Usage:
    """Raises Overloaded when metering does not answer, and InvalidRequest in its words."""

    def __init__(self, usage: HttpUsage, now: Clock) -> None:
        self._usage = usage
        self._now = now
        self._pem = ""
        self._pem_fresh_until = 0.0

    async def report(self, account_id: AccountId, query: UsageQuery) -> UsageReport:
        return await _answered(self._usage.report(account_id, query))

    async def list_requests(self, account_id: AccountId, query: UsageQuery) -> ReceiptPage:
        return await _answered(self._usage.list_requests(account_id, query))

    async def get_receipt(self, account_id: AccountId, request_id: UUID) -> ReceiptReply:
        """Raises RequestNotPosted."""
        return await self._get(request_id, lambda: self._usage.find_receipt(account_id, request_id))

    async def get_signed_receipt(self, account_id: AccountId, request_id: UUID) -> ReceiptReply:
        """Raises RequestNotPosted, ReceiptsNotSigned."""
        return await self._get(request_id, lambda: self._usage.find_signed_receipt(account_id, request_id))

    async def public_key_pem(self) -> str:
        """What signed receipts are checked with. Asked of metering at most once a minute. Raises ReceiptsNotSigned."""
        clock = asyncio.get_running_loop().time
        if clock() >= self._pem_fresh_until:
            self._pem = (await _answered(self._usage.receipt_key())).public_key_pem
            self._pem_fresh_until = clock() + KEY_FRESH_SECONDS
        return self._pem

    async def _get(
        self, request_id: UUID, find: Callable[[], Awaitable[ReceiptReply | None]]
    ) -> ReceiptReply:
        clock = asyncio.get_running_loop().time
        deadline = clock() + WAIT_SECONDS if self._may_still_come(request_id) else clock()
        while (found := await _answered(find())) is None:
            if clock() >= deadline:
                raise RequestNotPosted(request_id)
            await asyncio.sleep(POLL_SECONDS)
        return found

    def _may_still_come(self, request_id: UUID) -> bool:
        """Our request ids begin with their milliseconds since 1970 (UUIDv7)."""
        sent_at_ms = request_id.int >> 80
        now_ms = int(self._now().timestamp() * 1000)
        window_ms = MAY_STILL_COME // timedelta(milliseconds=1)
        return abs(now_ms - sent_at_ms) <= window_ms


async def _answered(asked: Awaitable[Answer]) -> Answer:
    try:
        return await asked
    except Unavailable as error:
        message = "Usage cannot be looked up at the moment. Please try again."
        raise Overloaded(message, retry_after_seconds=RETRY_AFTER_SECONDS) from error
