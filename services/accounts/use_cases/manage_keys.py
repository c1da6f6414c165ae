"""What a holder does with their keys: make another, end one, replace one with some time to change over."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.accounts.adapters import api_keys_postgres as api_keys
from services.accounts.adapters import key_list_postgres as key_list
from services.accounts.domain.keys import ACTIVE_KEYS_MAX, KeyTerms
from services.accounts.use_cases.lock_account import lock_account
from services.accounts.use_cases.mirror_keys import MirrorKeys
from services.accounts.use_cases.new_keys import NewKeys, ShownKey
from shared.clock import utc_now
from shared.errors import Kind, PromptlyError
from shared.ids import AccountId, KeyId
from shared.postgres import Connection, Pool

log = structlog.get_logger()


class NoSuchKey(PromptlyError):
    """The account has no active key of that id."""

    kind = Kind.NOT_FOUND
    code = "key_not_found"


class TooManyKeys(PromptlyError):
    """The account has as many active keys as it may have."""

    kind = Kind.INVALID
    code = "too_many_keys"


@dataclass(frozen=True, slots=True)
class ManageKeys:
    pool: Pool
    mirror: MirrorKeys
    new_keys: NewKeys

    async def create(self, account_id: AccountId, terms: KeyTerms) -> ShownKey:
        now = utc_now()
        async with self.pool.acquire() as connection, connection.transaction():
            await self._make_room(connection, account_id)
            made = await self.new_keys.make(
                connection,
                account_id,
                "dashboard",
                now=now,
                name=terms.name,
                expires_at=_end_of(terms.lifetime, now),
            )
        await self.mirror.try_now([made.stored])
        log.info("key_created", account_id=account_id, key_id=made.stored.key_id)
        return made

    async def revoke(self, account_id: AccountId, key_id: KeyId) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            revoked = await api_keys.revoke_key(connection, account_id, key_id, now=utc_now())
        if not revoked:
            raise _unknown(key_id)
        await self.mirror.try_now(revoked)
        log.info("key_revoked", account_id=account_id, key_id=key_id)

    async def rotate(self, account_id: AccountId, key_id: KeyId, *, grace: timedelta) -> ShownKey:
        """A new key with the old one's name and end; the old one ends after `grace`."""
        now = utc_now()
        async with self.pool.acquire() as connection, connection.transaction():
            await self._make_room(connection, account_id)
            old = await key_list.find_active_key(connection, account_id, key_id)
            if old is None:
                raise _unknown(key_id)
            made = await self.new_keys.make(
                connection, account_id, "dashboard", now=now, name=old.name, expires_at=old.expires_at
            )
            ending = await api_keys.end_at(connection, key_id, expires_at=now + grace)
        await self.mirror.try_now([made.stored, *ending])
        log.info("key_rotated", account_id=account_id, key_id=key_id, successor=made.stored.key_id)
        return made

    async def _make_room(self, connection: Connection, account_id: AccountId) -> None:
        """Locks the account, so that its bound holds when two are made at once."""
        await lock_account(connection, account_id)
        if await key_list.count_active(connection, account_id) >= ACTIVE_KEYS_MAX:
            raise TooManyKeys(
                f"An account has at most {ACTIVE_KEYS_MAX} working keys: please revoke one first."
            )


def _end_of(lifetime: timedelta | None, now: datetime) -> datetime | None:
    return None if lifetime is None else now + lifetime


def _unknown(key_id: KeyId) -> NoSuchKey:
    return NoSuchKey(f"There is no working key {key_id} on this account.")
