"""An account's balance and usage, asked from metering. None while the ledger does not know the account."""

from typing import TypeVar

import httpx
from pydantic import ValidationError

from services.accounts.domain.dashboard import Balance, UsageDay
from shared.contracts.internal.message import Message
from shared.contracts.internal.metering import BalanceReply, UsageReply
from shared.errors import Unavailable
from shared.http.internal import InternalClient
from shared.ids import AccountId

MessageT = TypeVar("MessageT", bound=Message)


class Ledger:
    """Raises Unavailable when metering does not answer as agreed."""

    def __init__(self, client: InternalClient) -> None:
        self._client = client

    async def find_balance(self, account_id: AccountId) -> Balance | None:
        reply = await self._client.get(f"/internal/accounts/{account_id}/balance")
        found = _read(reply, BalanceReply)
        if found is None:
            return None
        return Balance(found.available, found.paid, found.trial, found.trial_expires_at, found.debt)

    async def find_usage(self, account_id: AccountId, *, days: int) -> tuple[UsageDay, ...] | None:
        reply = await self._client.get(f"/internal/accounts/{account_id}/usage", {"days": days})
        found = _read(reply, UsageReply)
        if found is None:
            return None
        return tuple(
            UsageDay(each.day, each.requests, each.tokens_prompt, each.tokens_completion)
            for each in found.days
        )


def _read(reply: httpx.Response, message_class: type[MessageT]) -> MessageT | None:
    if reply.status_code == httpx.codes.NOT_FOUND:
        return None
    try:
        return message_class.model_validate_json(reply.content)
    except ValidationError as error:
        raise Unavailable("The ledger answered something unexpected. Please try again.") from error
