"""Registers an address: a new account gets a key and perhaps a trial, a known one gets a new mailed key.

Account, keys and events are one transaction. The key itself leaves this module only sealed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog
from redis.exceptions import RedisError

from services.accounts.adapters import accounts_postgres as accounts
from services.accounts.adapters import api_keys_postgres as api_keys
from services.accounts.adapters.api_keys_postgres import StoredKey
from services.accounts.adapters.registration_limit_redis import RegistrationLimit
from services.accounts.domain.trials import TrialTerms, address_hash_of, expires_at
from services.accounts.use_cases.mirror_keys import MirrorKeys
from shared import outbox
from shared.api_keys import digest_of, display_of, new_account_id, new_api_key
from shared.clock import utc_now
from shared.contracts.accounts import AccountRegistered, KeyIssued, Trial
from shared.contracts.envelope import Event
from shared.errors import Unavailable
from shared.ids import AccountId, KeyId, new_uuid7
from shared.logging import current_request_id
from shared.outbox import OutboxRelay
from shared.postgres import Connection, Pool
from shared.sealing import seal

SOURCE = "accounts"

Reason = Literal["registered", "replaced"]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Registered:
    """The same for new and known addresses: nobody learns who has an account."""


@dataclass(frozen=True, slots=True)
class TooManyRegistrations:
    retry_after_seconds: int


@dataclass(frozen=True, slots=True)
class KeySecrets:
    """`pepper` keys the digests; `sealing_public_key` is the notifier's."""

    pepper: bytes = field(repr=False)
    sealing_public_key: str


@dataclass(frozen=True, slots=True)
class Register:
    pool: Pool
    limit: RegistrationLimit
    mirror: MirrorKeys
    relay: OutboxRelay
    secrets: KeySecrets
    trial_terms: TrialTerms

    async def __call__(self, email: str, *, client: str) -> Registered | TooManyRegistrations:
        """`email` is valid and exact, its domain lower-case; `client` is what the limit counts by."""
        if wait_seconds := await self._wait_seconds(client):
            return TooManyRegistrations(wait_seconds)
        async with self.pool.acquire() as connection, connection.transaction():
            changed_keys = await self._store(connection, email, utc_now())
        self.relay.kick()
        await self.mirror.try_now(changed_keys)
        log.info("key_issued", account_id=changed_keys[-1].account_id, key_id=changed_keys[-1].key_id)
        return Registered()

    async def _wait_seconds(self, client: str) -> int | None:
        """A Redis that does not answer stops nobody from registering."""
        try:
            return await self.limit.enter(client)
        except (RedisError, Unavailable) as error:
            log.warning("registration_not_limited", reason=type(error).__name__)
            return None

    async def _store(self, connection: Connection, email: str, now: datetime) -> list[StoredKey]:
        """The keys that changed: the tombstone first, then the new one."""
        offered_id = new_account_id()
        account_id = await accounts.register_address(connection, email=email, offered_id=offered_id, now=now)
        is_new = account_id == offered_id
        if is_new:
            await self._announce_account(connection, account_id, email, now)
        revoked = await api_keys.revoke_mailed_key(connection, account_id, now=now)
        issued = await self._issue_key(
            connection, account_id, email, "registered" if is_new else "replaced", now
        )
        return [revoked, issued] if revoked else [issued]

    async def _announce_account(
        self, connection: Connection, account_id: AccountId, email: str, now: datetime
    ) -> None:
        trial = await self._take_trial(connection, account_id, email, now)
        event = AccountRegistered(account_id=account_id, email=email, trial=trial)
        await _publish(connection, event, account_id, now)

    async def _take_trial(
        self, connection: Connection, account_id: AccountId, email: str, now: datetime
    ) -> Trial | None:
        if self.trial_terms.tokens == 0:
            return None
        address_hash = address_hash_of(email, self.secrets.pepper)
        if not await accounts.take_trial(connection, address_hash=address_hash, now=now):
            return None
        await accounts.note_trial(connection, account_id)
        return Trial(tokens=self.trial_terms.tokens, expires_at=expires_at(self.trial_terms, begins_at=now))

    async def _issue_key(
        self, connection: Connection, account_id: AccountId, email: str, reason: Reason, now: datetime
    ) -> StoredKey:
        key, key_id = new_api_key(account_id), KeyId(str(new_uuid7()))
        stored = await api_keys.add_mailed_key(
            connection,
            key_id=key_id,
            account_id=account_id,
            digest=digest_of(key, self.secrets.pepper),
            display=display_of(key),
            now=now,
        )
        event = KeyIssued(
            account_id=account_id,
            key_id=key_id,
            email=email,
            sealed_key=seal(self.secrets.sealing_public_key, key),
            key_display=display_of(key),
            reason=reason,
        )
        await _publish(connection, event, account_id, now)
        return stored


async def _publish(connection: Connection, event: Event, account_id: AccountId, now: datetime) -> None:
    await outbox.add(
        connection,
        event,
        source=SOURCE,
        subject=account_id,
        now=now,
        request_id=current_request_id(),
    )
