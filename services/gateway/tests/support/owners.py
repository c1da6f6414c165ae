"""accounts and metering as the gateway sees them: two internal routes that refill Redis."""

import asyncio

from fastapi import FastAPI, Response
from redis.asyncio import Redis

from services.gateway.tests.support.accounts import Account
from services.gateway.tests.support.ledger import Ledger
from services.gateway.tests.support.usage import UsageListener
from shared.admission.key_records import KeyRecord, put_key
from shared.admission.mirror import (
    Absent,
    Closed,
    IsClosed,
    IsOpen,
    KeepDraining,
    OpenDrained,
    Opening,
    OpenNew,
    Pass,
    begin_pass,
    write_mirror,
)
from shared.admission.sequences import count_untold, read_sequences
from shared.contracts.internal.accounts import KeyRefillReply, KeyRefillRequest
from shared.contracts.internal.metering import MirrorReply
from shared.ids import AccountId

ASK_AGAIN_MS = 50


class Owners:
    """Knows the accounts it was told of; `asked_for_keys` counts look-ups, `may_answer` holds them up.

    What is posted is what the bus has carried."""

    def __init__(self, redis: Redis, usage: UsageListener) -> None:
        self._redis = redis
        self._usage = usage
        self._keys: dict[str, KeyRecord] = {}
        self._ledgers: dict[AccountId, Ledger] = {}
        self.asked_for_keys = 0
        self.asked_for_accounts = 0
        self.url = ""
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.app = FastAPI()
        self.app.post("/internal/keys/refill")(self._refill)
        self.app.post("/internal/accounts/{account_id}/mirror")(self._mirror)

    def know_key(self, account: Account) -> None:
        self.know_record(account.key_record)

    def know_record(self, record: KeyRecord) -> None:
        """A tombstone, too."""
        self._keys[record.digest] = record

    def forget_key(self, account: Account) -> None:
        del self._keys[account.key_record.digest]

    def know_balance(self, account: Account, tokens: int) -> None:
        self._ledgers[account.account_id] = Ledger(account.account_id, tokens, self._usage)

    def posted(self, account: Account) -> int:
        return self._ledgers[account.account_id].posted()

    async def _refill(self, request: KeyRefillRequest) -> KeyRefillReply:
        self.asked_for_keys += 1
        await self.may_answer.wait()
        record = self._keys.get(request.digest)
        if record is not None:
            await put_key(self._redis, record)
        return KeyRefillReply(found=record is not None)

    async def _mirror(self, account_id: AccountId) -> Response:
        self.asked_for_accounts += 1
        ledger = self._ledgers.get(account_id)
        if ledger is None:
            return Response(status_code=404)
        match await self.mirror(ledger):
            case IsOpen():
                return Response(status_code=204)
            case IsClosed(opens_in_ms):
                reply = MirrorReply(opens_in_ms=max(opens_in_ms, ASK_AGAIN_MS))
            case _:
                reply = MirrorReply(opens_in_ms=ASK_AGAIN_MS)
        return Response(reply.model_dump_json(), status_code=202, media_type="application/json")

    async def mirror(self, ledger: Ledger) -> object:
        """One pass, as metering does it: ids and state first, the ledger next, then the write."""
        begun = await begin_pass(self._redis, ledger.account_id)
        opening = await self._opening(begun, ledger)
        posted = ledger.revisions_among(begun.request_ids)
        return await write_mirror(self._redis, ledger.account_id, ledger.snapshot(), posted, opening=opening)

    async def _opening(self, begun: Pass, ledger: Ledger) -> Opening | None:
        match begun.account:
            case Absent() as absent:
                return OpenNew(absent) if ledger.is_opened_first() else None
            case Closed(opens_in_ms=0) as closed if not await count_untold(self._redis):
                drain = closed.drain if closed.drain is not None else await read_sequences(self._redis)
                return OpenDrained(closed) if self._usage.has_all(drain) else KeepDraining(closed, drain)
            case _:
                return None
