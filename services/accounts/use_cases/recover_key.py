"""Where known addresses must confirm: a link by mail, and a new key only once its holder has followed it.

Only a POST uses the link: mail scanners follow links. Until then the old key works on.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_urlsafe

import structlog

from services.accounts.adapters import recoveries_postgres as recoveries
from services.accounts.domain.sessions import TOKEN_BYTES, TOKEN_LENGTH_MAX, session_digest_of
from services.accounts.use_cases.announce import announce
from services.accounts.use_cases.mirror_keys import MirrorKeys
from services.accounts.use_cases.new_keys import NewKeys
from shared.clock import utc_now
from shared.contracts.accounts import RecoveryRequested
from shared.ids import AccountId
from shared.outbox import OutboxRelay
from shared.postgres import Connection, Pool

LINK_LIFETIME = timedelta(hours=1)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RecoverKey:
    pool: Pool
    mirror: MirrorKeys
    relay: OutboxRelay
    new_keys: NewKeys
    base_url: str

    async def send_link(
        self, connection: Connection, account_id: AccountId, email: str, now: datetime
    ) -> None:
        """In the caller's transaction. The link crosses the bus only sealed."""
        token, expires_at = token_urlsafe(TOKEN_BYTES), now + LINK_LIFETIME
        await recoveries.add(connection, session_digest_of(token), account_id, expires_at=expires_at)
        link = f"{self.base_url.rstrip('/')}/register/confirm?token={token}"
        event = RecoveryRequested(
            account_id=account_id,
            sealed_email=self.new_keys.secrets.seal(email),
            sealed_link=self.new_keys.secrets.seal(link),
            expires_at=expires_at,
        )
        await announce(connection, event, account_id, now)

    async def confirm(self, token: str) -> str | None:
        """The address the new key goes to; None when the link was used, is too old, or never was."""
        if not token or len(token) > TOKEN_LENGTH_MAX:
            return None
        now = utc_now()
        async with self.pool.acquire() as connection, connection.transaction():
            person = await recoveries.use(connection, session_digest_of(token), now=now)
            if person is None:
                return None
            changed_keys = await self.new_keys.mail(
                connection, person.account_id, person.email, "recovered", now
            )
        self.relay.kick()
        await self.mirror.try_now(changed_keys)
        log.info("key_recovered", account_id=person.account_id)
        return person.email
