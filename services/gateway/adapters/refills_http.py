"""Asks accounts for a key and metering for an account that Redis does not know (any more).

Both write to Redis what they know before they answer. Raises shared.errors.Unavailable when they do not.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

from pydantic import ValidationError

from services.gateway.adapters.ask_once import AskOnce
from shared.contracts.internal.accounts import KeyRefillReply, KeyRefillRequest
from shared.contracts.internal.metering import MirrorReply
from shared.errors import Unavailable
from shared.http.internal import InternalClient
from shared.ids import AccountId, KeyDigest

UNKNOWN_SECONDS = 5.0
"""A key that nobody knows is not asked for again so soon. A new one needs no refill: accounts writes it."""
UNKNOWN_KEYS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Mirrored:
    """Redis has the account, open."""


@dataclass(frozen=True, slots=True)
class OpensLater:
    """Redis has the account, closed after a loss: ask again after `wait_seconds`, nobody else opens it."""

    wait_seconds: float


@dataclass(frozen=True, slots=True)
class NotInLedger:
    """The ledger does not know the account (yet)."""


class HttpRefills:
    """Each key and each account is asked for once at a time, however many requests need it."""

    def __init__(self, accounts: InternalClient, metering: InternalClient) -> None:
        self._accounts = accounts
        self._metering = metering
        self._unknown: OrderedDict[KeyDigest, float] = OrderedDict()
        self._ask_accounts = AskOnce(self._refill_key)
        self._ask_metering = AskOnce(self._mirror_account)

    async def refill_key(self, digest: KeyDigest) -> bool:
        """False when nobody knows the key."""
        if self._unknown.get(digest, 0) > time.monotonic():
            return False
        return await self._ask_accounts(digest)

    async def mirror_account(self, account_id: AccountId) -> Mirrored | OpensLater | NotInLedger:
        return await self._ask_metering(account_id)

    async def _refill_key(self, digest: KeyDigest) -> bool:
        request = KeyRefillRequest(digest=digest).model_dump()
        reply = await self._accounts.post("/internal/keys/refill", request)
        try:
            found = KeyRefillReply.model_validate_json(reply.content).found
        except ValidationError as error:
            raise Unavailable("Keys cannot be looked up at the moment.") from error
        if not found:
            self._remember_unknown(digest)
        return found

    async def _mirror_account(self, account_id: AccountId) -> Mirrored | OpensLater | NotInLedger:
        reply = await self._metering.post(f"/internal/accounts/{account_id}/mirror")
        if reply.status_code == 204:
            return Mirrored()
        if reply.status_code == 404:
            return NotInLedger()
        try:
            return OpensLater(MirrorReply.model_validate_json(reply.content).opens_in_ms / 1000)
        except ValidationError as error:
            raise Unavailable("Accounts cannot be looked up at the moment.") from error

    def _remember_unknown(self, digest: KeyDigest) -> None:
        self._unknown[digest] = time.monotonic() + UNKNOWN_SECONDS
        self._unknown.move_to_end(digest)
        while len(self._unknown) > UNKNOWN_KEYS_MAX:
            self._unknown.popitem(last=False)
