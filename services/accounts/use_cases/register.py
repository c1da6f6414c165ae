"""Registers an address: a new account gets a key and perhaps a trial; a known one a new mailed key, or, where
the operator wants it so, a link by which its holder asks for one.

Account, keys and events are one transaction. The answer takes equally long whatever was done.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime

from services.accounts.adapters import accounts_postgres as accounts
from services.accounts.adapters.api_keys_postgres import StoredKey
from services.accounts.adapters.mail_domains_dns import MailDomains
from services.accounts.domain.trials import TrialTerms, address_hash_of, expires_at
from services.accounts.use_cases.announce import announce
from services.accounts.use_cases.limit_registrations import LimitRegistrations, TooManyRegistrations
from services.accounts.use_cases.mirror_keys import MirrorKeys
from services.accounts.use_cases.new_keys import NewKeys
from services.accounts.use_cases.recover_key import RecoverKey
from shared.api_keys import new_account_id
from shared.clock import utc_now
from shared.contracts.accounts import AccountRegistered, Trial
from shared.ids import AccountId
from shared.outbox import OutboxRelay
from shared.postgres import Connection, Pool

ANSWER_AFTER_SECONDS = 0.1
"""Longer than the work takes: a new address costs more statements than a known one, and nobody is to see it."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The same for new and known addresses: nobody learns who has an account."""


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """No mail can reach the address, says DNS; nothing is said of who is known."""

    reason: str


@dataclass(frozen=True, slots=True)
class Register:
    """`recover` is set where known addresses must confirm (KEY_RECOVERY=confirm), `mail_domains` where an address's
    domain must take mail (EMAIL_DELIVERABILITY=on)."""

    pool: Pool
    limit: LimitRegistrations
    mirror: MirrorKeys
    relay: OutboxRelay
    new_keys: NewKeys
    trial_terms: TrialTerms
    recover: RecoverKey | None
    mail_domains: MailDomains | None

    async def __call__(self, email: str, *, client: str) -> Registered | TooManyRegistrations | Undeliverable:
        """`email` is valid and exact, its domain lower-case; `client` is what the limit counts by."""
        began = time.monotonic()
        if refused := await self.limit(email, client=client):
            return refused
        if self.mail_domains and (reason := await self.mail_domains.refusal(email)):
            return Undeliverable(reason)
        async with self.pool.acquire() as connection, connection.transaction():
            changed_keys = await self._store(connection, email, utc_now())
        self.relay.kick()
        await self.mirror.try_now(changed_keys)
        await asyncio.sleep(max(0.0, began + ANSWER_AFTER_SECONDS - time.monotonic()))
        return Registered()

    async def _store(self, connection: Connection, email: str, now: datetime) -> list[StoredKey]:
        """The keys that changed: the tombstone first, then the new one."""
        offered_id = new_account_id()
        account_id = await accounts.register_address(connection, email=email, offered_id=offered_id, now=now)
        if account_id == offered_id:
            await self._announce_account(connection, account_id, email, now)
            return await self.new_keys.mail(connection, account_id, email, "registered", now)
        if self.recover is None:
            return await self.new_keys.mail(connection, account_id, email, "replaced", now)
        await self.recover.send_link(connection, account_id, email, now)
        return []

    async def _announce_account(
        self, connection: Connection, account_id: AccountId, email: str, now: datetime
    ) -> None:
        trial = await self._take_trial(connection, account_id, email, now)
        event = AccountRegistered(
            account_id=account_id, sealed_email=self.new_keys.secrets.seal(email), trial=trial
        )
        await announce(connection, event, account_id, now)

    async def _take_trial(
        self, connection: Connection, account_id: AccountId, email: str, now: datetime
    ) -> Trial | None:
        if self.trial_terms.tokens == 0:
            return None
        address_hash = address_hash_of(email, self.new_keys.secrets.pepper)
        if not await accounts.take_trial(connection, address_hash=address_hash, now=now):
            return None
        await accounts.note_trial(connection, account_id)
        return Trial(tokens=self.trial_terms.tokens, expires_at=expires_at(self.trial_terms, begins_at=now))
