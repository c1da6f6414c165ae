"""The operator replaces the key that somebody got by mail: by another mail, or by hand where no mail goes out.

The new key's id is chosen by who asks: asked twice for one, also at the same time, it is made once."""

from dataclasses import dataclass

from services.accounts.adapters import api_keys_postgres as api_keys
from services.accounts.adapters.mails_http import Mails
from services.accounts.use_cases.lock_account import lock_account
from services.accounts.use_cases.mirror_keys import MirrorKeys
from services.accounts.use_cases.new_keys import NewKeys, ShownKey
from services.accounts.use_cases.partly import or_none
from shared.clock import utc_now
from shared.errors import Kind, PromptlyError
from shared.ids import AccountId, KeyId
from shared.outbox import OutboxRelay
from shared.postgres import Pool


class MailIsConfigured(PromptlyError):
    """A key is shown to the operator only where it cannot be mailed to its holder."""

    kind = Kind.INVALID
    code = "mail_is_configured"


@dataclass(frozen=True, slots=True)
class ReplaceKey:
    pool: Pool
    mirror: MirrorKeys
    relay: OutboxRelay
    new_keys: NewKeys
    mails: Mails

    async def by_mail(self, account_id: AccountId, email: str, key_id: KeyId) -> bool:
        """False when this key was made before."""
        async with self.pool.acquire() as connection, connection.transaction():
            await lock_account(connection, account_id)
            if await api_keys.exists(connection, key_id):
                return False
            changed = await self.new_keys.mail(
                connection, account_id, email, "recovered", utc_now(), key_id=key_id
            )
        self.relay.kick()
        await self.mirror.try_now(changed)
        return True

    async def by_hand(self, account_id: AccountId, key_id: KeyId) -> ShownKey | None:
        """None when this key was made before: nobody can show it again."""
        if not await self.may_be_shown():
            raise MailIsConfigured("Mail is configured: the new key goes to its holder, and to nobody else.")
        now = utc_now()
        async with self.pool.acquire() as connection, connection.transaction():
            await lock_account(connection, account_id)
            if await api_keys.exists(connection, key_id):
                return None
            revoked = await api_keys.revoke_mailed_key(connection, account_id, now=now)
            made = await self.new_keys.make(connection, account_id, "mailed", now=now, key_id=key_id)
        await self.mirror.try_now([*revoked, made.stored])
        return made

    async def may_be_shown(self) -> bool:
        """Where mails go to a folder; and also while nobody can say."""
        return await or_none(self.mails.go_to_a_folder()) is not False
