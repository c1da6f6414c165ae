"""Asks accounts for a key and metering for an account that Redis does not know (any more).

Both write to Redis what they know before they answer. Raises shared.errors.Unavailable when they do not.
"""

import time
from collections import OrderedDict

from pydantic import ValidationError

from shared.contracts.internal import KeyRefillReply, KeyRefillRequest
from shared.errors import Unavailable
from shared.http.internal import InternalClient
from shared.ids import AccountId, KeyDigest

UNKNOWN_SECONDS = 5.0
"""A key that nobody knows is not asked for again so soon. A new one needs no refill: accounts writes it."""
UNKNOWN_KEYS_MAX = 10_000


class HttpRefills:
    def __init__(self, accounts: InternalClient, metering: InternalClient) -> None:
        self._accounts = accounts
        self._metering = metering
        self._unknown: OrderedDict[KeyDigest, float] = OrderedDict()

    async def refill_key(self, digest: KeyDigest) -> bool:
        """False when nobody knows the key."""
        if self._unknown.get(digest, 0) > time.monotonic():
            return False
        request = KeyRefillRequest(digest=digest).model_dump()
        reply = await self._accounts.post("/internal/keys/refill", request)
        try:
            found = KeyRefillReply.model_validate_json(reply.content).found
        except ValidationError as error:
            raise Unavailable("Keys cannot be looked up at the moment.") from error
        if not found:
            self._remember_unknown(digest)
        return found

    async def mirror_account(self, account_id: AccountId) -> bool:
        """False when the ledger does not know the account (yet)."""
        reply = await self._metering.post(f"/internal/accounts/{account_id}/mirror")
        return reply.status_code == 204

    def _remember_unknown(self, digest: KeyDigest) -> None:
        self._unknown[digest] = time.monotonic() + UNKNOWN_SECONDS
        self._unknown.move_to_end(digest)
        while len(self._unknown) > UNKNOWN_KEYS_MAX:
            self._unknown.popitem(last=False)
