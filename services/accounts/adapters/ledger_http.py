"""What metering knows of accounts, asked over internal HTTP. Raises Unavailable when it does not answer as agreed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.accounts.adapters.reply_reading import find, read, refuse_as_told
from services.accounts.domain.dashboard import Balance, UsageDay
from shared.contracts.internal import metering
from shared.http.internal import InternalClient
from shared.ids import AccountId, KeyId

BAD_REQUEST = 400


class Ledger:
    """`find_`: None while the ledger does not know the account."""

    def __init__(self, client: InternalClient) -> None:
        self._client = client

    async def find_balance(self, account_id: AccountId) -> Balance | None:
        reply = await self._client.get(f"/internal/accounts/{account_id}/balance")
        found = find(reply, metering.BalanceReply)
        return None if found is None else _balance(found)

    async def find_usage(self, account_id: AccountId, *, days: int) -> tuple[UsageDay, ...] | None:
        reply = await self._client.get(f"/internal/accounts/{account_id}/usage", {"days": days})
        found = find(reply, metering.UsageReply)
        return None if found is None else tuple(_usage_day(each) for each in found.days)

    async def report(
        self, account_id: AccountId, group_by: metering.GroupBy, *, since: datetime, until: datetime
    ) -> tuple[metering.UsageRow, ...]:
        period = {"since": since.isoformat(), "until": until.isoformat()}
        params = {"group_by": group_by, **period, "limit": metering.ROWS_PER_PAGE_MAX}
        reply = await self._client.get(f"/internal/accounts/{account_id}/usage/report", params)
        found = find(reply, metering.UsageReport)
        return found.rows if found else ()

    async def list_requests(
        self, account_id: AccountId, *, limit: int, key_id: KeyId | None = None, cursor: str | None = None
    ) -> metering.ReceiptPage | None:
        """Newest first. Raises RefusedThere for a cursor that is none."""
        given = {"limit": limit, "key_id": key_id, "cursor": cursor}
        params = {name: value for name, value in given.items() if value is not None}
        reply = await self._client.get(f"/internal/accounts/{account_id}/usage/requests", params)
        if reply.status_code == BAD_REQUEST:
            refuse_as_told(reply)
        return find(reply, metering.ReceiptPage)

    async def find_receipt(self, account_id: AccountId, request_id: UUID) -> metering.ReceiptReply | None:
        path = f"/internal/accounts/{account_id}/usage/requests/{request_id}"
        return find(await self._client.get(path, {"signed": "true"}), metering.ReceiptReply)

    async def list_entries(self, account_id: AccountId, *, limit: int) -> tuple[metering.EntrySeen, ...]:
        reply = await self._client.get(f"/internal/accounts/{account_id}/entries", {"limit": limit})
        found = find(reply, metering.EntryPage)
        return found.entries if found else ()

    async def list_grants(self, account_id: AccountId) -> tuple[metering.GrantSeen, ...]:
        found = find(await self._client.get(f"/internal/accounts/{account_id}/grants"), metering.GrantsReply)
        return found.grants if found else ()

    async def totals_of(self, account_ids: Sequence[AccountId]) -> dict[AccountId, tuple[Balance, int]]:
        """Balance now and tokens used in 30 days, of those that the ledger knows."""
        request = metering.AccountsRequest(account_ids=tuple(account_ids))
        found = read(
            await self._client.post("/internal/balances", request.model_dump(mode="json")),
            metering.TotalsReply,
        )
        return {
            AccountId(each.balance.account_id): (_balance(each.balance), each.tokens_used)
            for each in found.accounts
        }

    async def rank(
        self, order_by: str, *, descending: bool, offset: int, limit: int
    ) -> metering.RankedAccounts:
        order = {"order_by": order_by, "descending": "true" if descending else "false"}
        reply = await self._client.get("/internal/accounts", {**order, "offset": offset, "limit": limit})
        return read(reply, metering.RankedAccounts)

    async def system_totals(self, *, days: int) -> metering.SystemTotals:
        return read(await self._client.get("/internal/totals", {"days": days}), metering.SystemTotals)

    async def adjust(
        self, account_id: AccountId, *, adjustment_id: UUID, delta: int, reason: str
    ) -> Balance | None:
        """Raises RefusedThere where more is to be taken than is available."""
        request = metering.AdjustRequest(adjustment_id=adjustment_id, delta=delta, reason=reason)
        return await self._change(account_id, "adjust", request)

    async def grant(
        self, account_id: AccountId, *, grant_id: UUID, tokens: int, expires_at: datetime, reason: str
    ) -> Balance | None:
        request = metering.GrantRequest(
            grant_id=grant_id, tokens=tokens, expires_at=expires_at, reason=reason
        )
        return await self._change(account_id, "grants", request)

    async def _change(
        self,
        account_id: AccountId,
        what: str,
        request: metering.AdjustRequest | metering.GrantRequest,
    ) -> Balance | None:
        path = f"/internal/accounts/{account_id}/{what}"
        reply = await self._client.post(path, request.model_dump(mode="json"))
        found = None
        if reply.status_code != 404:
            refuse_as_told(reply)
            found = find(reply, metering.BalanceReply)
        return None if found is None else _balance(found)


def _balance(found: metering.BalanceReply) -> Balance:
    return Balance(
        available=found.available,
        paid=found.paid,
        trial=found.trial,
        trial_expires_at=found.trial_expires_at,
        debt=found.debt,
        frozen=found.frozen,
    )


def _usage_day(found: metering.UsageDay) -> UsageDay:
    return UsageDay(found.day, found.requests, found.tokens_prompt, found.tokens_completion)
