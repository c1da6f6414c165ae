"""Is this the operator? By the admin key, in constant time, or by a session that it opened."""

import hmac
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_urlsafe

import structlog

from services.accounts.adapters import admin_sessions_postgres as sessions
from services.accounts.domain.operators import ADMIN_SESSIONS_MAX
from services.accounts.domain.sessions import (
    TOKEN_BYTES,
    TOKEN_LENGTH_MAX,
    form_token_of,
    is_form_token,
    session_digest_of,
)
from services.accounts.use_cases.limit_admin_keys import LimitAdminKeys
from shared.clock import utc_now
from shared.postgres import Pool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AdmitOperator:
    """`admin_key` empty: nobody is."""

    pool: Pool
    limit: LimitAdminKeys
    admin_key: bytes = field(repr=False)
    pepper: bytes = field(repr=False)

    async def has_key(self, given: str, *, client: str) -> bool:
        """A wrong one counts; after too many even the right one does not open."""
        if not self.admin_key:
            return False
        now = utc_now()
        if not hmac.compare_digest(self._digest(given.encode()), self._digest(self.admin_key)):
            await self.limit.note_wrong_key(client, now=now)
            log.warning("admin_key_wrong", client=client)
            return False
        is_open = await self.limit.opens_to_right_key(client, now=now)
        if not is_open:
            log.warning("admin_locked", client=client)
        return is_open

    async def has_session(self, token: str) -> bool:
        if not self.admin_key or not token or len(token) > TOKEN_LENGTH_MAX:
            return False
        return await sessions.is_open(
            self.pool, session_digest_of(token), key_digest=self._key_digest, now=utc_now()
        )

    async def open_session(self, *, lifetime: timedelta) -> str:
        token, now = token_urlsafe(TOKEN_BYTES), utc_now()
        await sessions.add_session(
            self.pool,
            session_digest_of(token),
            key_digest=self._key_digest,
            now=now,
            expires_at=now + lifetime,
        )
        await sessions.end_soonest(self.pool, kept=ADMIN_SESSIONS_MAX)
        log.info("admin_signed_in")
        return token

    async def end_session(self, token: str) -> None:
        await sessions.end_session(self.pool, session_digest_of(token))

    def form_token(self, session: str) -> str:
        return form_token_of(session, self.pepper)

    def accepts_form(self, given: str, *, session: str) -> bool:
        return is_form_token(given, session, self.pepper)

    @property
    def _key_digest(self) -> str:
        return self._digest(self.admin_key).hex()

    def _digest(self, key: bytes) -> bytes:
        """Of equal length, whatever the keys' lengths: their comparison tells nothing of them."""
        return hmac.digest(self.pepper, b"admin:" + key, "sha256")
