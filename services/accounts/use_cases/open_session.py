"""Opens and ends the sessions of browsers. The token is returned once, for the cookie; only its digest stays."""

from dataclasses import dataclass
from datetime import timedelta
from secrets import token_urlsafe

import structlog

from services.accounts.adapters import sessions_postgres as sessions
from services.accounts.domain.people import Holder
from services.accounts.domain.sessions import (
    SESSIONS_PER_ACCOUNT_MAX,
    TOKEN_BYTES,
    session_digest_of,
)
from shared.clock import utc_now
from shared.postgres import Pool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sessions:
    pool: Pool

    async def open(self, holder: Holder, *, lifetime: timedelta) -> str:
        token, now = token_urlsafe(TOKEN_BYTES), utc_now()
        async with self.pool.acquire() as connection, connection.transaction():
            await sessions.add_session(
                connection, session_digest_of(token), holder, now=now, expires_at=now + lifetime
            )
            await sessions.end_soonest(connection, holder.account_id, kept=SESSIONS_PER_ACCOUNT_MAX)
        log.info("session_opened", account_id=holder.account_id, key_id=holder.key_id)
        return token

    async def end(self, token: str) -> None:
        await sessions.end_session(self.pool, session_digest_of(token))
