"""Makes keys. A key leaves this module sealed to the notifier, or once, to the page that shows it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog

from services.accounts.adapters import api_keys_postgres as api_keys
from services.accounts.adapters.api_keys_postgres import Kind, NewKey, StoredKey
from services.accounts.use_cases.announce import announce
from shared.api_keys import digest_of, display_of, new_api_key
from shared.contracts.accounts import KeyIssued
from shared.ids import AccountId, KeyId, new_uuid7
from shared.postgres import Connection
from shared.sealing import seal

log = structlog.get_logger()

Reason = Literal["registered", "replaced", "recovered"]


@dataclass(frozen=True, slots=True)
class KeySecrets:
    """`pepper` keys the digests; `sealing_public_key` is the notifier's."""

    pepper: bytes = field(repr=False)
    sealing_public_key: str

    def seal(self, text: str) -> str:
        """For the notifier, and nobody else who sees the event."""
        return seal(self.sealing_public_key, text)


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key in clear, for the one page that shows it. `repr` hides it."""

    text: str = field(repr=False)
    stored: StoredKey
    name: str = ""


@dataclass(frozen=True, slots=True)
class NewKeys:
    """Each works in the caller's transaction, in which the account's row is locked."""

    secrets: KeySecrets

    async def mail(
        self,
        connection: Connection,
        account_id: AccountId,
        email: str,
        reason: Reason,
        now: datetime,
        *,
        key_id: KeyId | None = None,
    ) -> list[StoredKey]:
        """The keys that changed: the tombstone of the mailed key until now, then the new one."""
        revoked = await api_keys.revoke_mailed_key(connection, account_id, now=now)
        made = await self.make(connection, account_id, "mailed", now=now, key_id=key_id)
        event = KeyIssued(
            account_id=account_id,
            key_id=made.stored.key_id,
            sealed_email=self.secrets.seal(email),
            sealed_key=self.secrets.seal(made.text),
            key_display=display_of(made.text),
            reason=reason,
        )
        await announce(connection, event, account_id, now)
        log.info("key_issued", account_id=account_id, key_id=made.stored.key_id, reason=reason)
        return [*revoked, made.stored]

    async def make(
        self,
        connection: Connection,
        account_id: AccountId,
        kind: Kind,
        *,
        now: datetime,
        name: str = "",
        expires_at: datetime | None = None,
        key_id: KeyId | None = None,
    ) -> ShownKey:
        """`key_id` is given by who may ask twice, and has looked whether that key is there."""
        text = new_api_key(account_id)
        key = NewKey(
            key_id=key_id or KeyId(str(new_uuid7())),
            account_id=account_id,
            digest=digest_of(text, self.secrets.pepper),
            display=display_of(text),
            kind=kind,
            name=name,
            expires_at=expires_at,
        )
        return ShownKey(text, await api_keys.add_key(connection, key, now=now), name)
