"""Blocks, unblocks and erases accounts: their keys are refused by every gateway within a second.

Erasing takes the person away and leaves the account: its books must stay checkable, without an address.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog

from services.accounts.adapters import accounts_postgres as accounts
from services.accounts.adapters import api_keys_postgres as api_keys
from services.accounts.adapters import sessions_postgres as sessions
from services.accounts.adapters.api_keys_postgres import StoredKey
from services.accounts.use_cases.announce import announce
from services.accounts.use_cases.mirror_keys import MirrorKeys
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted
from shared.ids import AccountId
from shared.outbox import OutboxRelay
from shared.postgres import Connection, Pool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CloseAccounts:
    """Each does nothing where it was done before."""

    pool: Pool
    mirror: MirrorKeys
    relay: OutboxRelay

    async def block(self, account_id: AccountId) -> None:
        await self._mark_blocked(account_id, utc_now())

    async def unblock(self, account_id: AccountId) -> None:
        await self._mark_blocked(account_id, None)

    async def erase(self, account_id: AccountId) -> None:
        now = utc_now()
        async with self.pool.acquire() as connection, connection.transaction():
            changed = await self._erase(connection, account_id, now)
        self.relay.kick()
        await self.mirror.try_now(changed)
        log.info("account_erased", account_id=account_id, keys=len(changed))

    async def _erase(self, connection: Connection, account_id: AccountId, now: datetime) -> list[StoredKey]:
        await accounts.lock(connection, account_id)
        if not await accounts.erase_person(connection, account_id, now=now):
            return []
        await sessions.end_all(connection, account_id)
        revoked = await api_keys.revoke_all(connection, account_id, now=now)
        await announce(connection, AccountDeleted(account_id=account_id), account_id, now)
        return revoked

    async def _mark_blocked(self, account_id: AccountId, blocked_at: datetime | None) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            if not await accounts.mark_blocked(connection, account_id, blocked_at):
                return
            changed = await api_keys.announce_again(connection, account_id)
        await self.mirror.try_now(changed)
        log.info("account_blocked" if blocked_at else "account_unblocked", account_id=account_id)
