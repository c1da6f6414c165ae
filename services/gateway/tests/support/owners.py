"""accounts and metering as the gateway sees them: two internal routes that refill Redis."""

import asyncio

from fastapi import FastAPI, Response
from redis.asyncio import Redis

from services.gateway.tests.support.accounts import Account
from shared.admission.key_records import put_key
from shared.admission.mirror import Snapshot, write_mirror
from shared.contracts.internal import KeyRefillReply, KeyRefillRequest
from shared.ids import AccountId


class Owners:
    """Knows the accounts it was told of; `asked_for_keys` counts look-ups, `may_answer` holds them up."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._accounts: dict[str, Account] = {}
        self._balances: dict[AccountId, int] = {}
        self.asked_for_keys = 0
        self.url = ""
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.app = FastAPI()
        self.app.post("/internal/keys/refill")(self._refill)
        self.app.post("/internal/accounts/{account_id}/mirror")(self._mirror)

    def know_key(self, account: Account) -> None:
        self._accounts[account.key_record.digest] = account

    def know_balance(self, account: Account, tokens: int) -> None:
        self._balances[account.account_id] = tokens

    async def _refill(self, request: KeyRefillRequest) -> KeyRefillReply:
        self.asked_for_keys += 1
        await self.may_answer.wait()
        account = self._accounts.get(request.digest)
        if account is not None:
            await put_key(self._redis, account.key_record)
        return KeyRefillReply(found=account is not None)

    async def _mirror(self, account_id: AccountId) -> Response:
        tokens = self._balances.get(account_id)
        if tokens is None:
            return Response(status_code=404)
        await write_mirror(self._redis, account_id, Snapshot(version=1, posted=tokens, grants=()), {})
        return Response(status_code=204)
