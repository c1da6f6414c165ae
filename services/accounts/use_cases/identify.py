"""Whose key, or whose browser, is this? For our own pages and, over internal HTTP, for billing's."""

from dataclasses import dataclass, field

from services.accounts.adapters import sessions_postgres as sessions
from services.accounts.domain.people import Holder
from services.accounts.domain.sessions import (
    TOKEN_LENGTH_MAX,
    form_token_of,
    is_form_token,
    session_digest_of,
)
from shared.api_keys import digest_of, parse_api_key
from shared.clock import utc_now
from shared.postgres import Pool


@dataclass(frozen=True, slots=True)
class Identify:
    pool: Pool
    pepper: bytes = field(repr=False)

    async def by_key(self, key: str) -> Holder | None:
        """None when this is no key, or none that works."""
        parsed = parse_api_key(key)
        if parsed is None:
            return None
        digest = digest_of(parsed.text, self.pepper)
        return await sessions.find_holder_by_key(self.pool, digest, now=utc_now())

    async def by_session(self, token: str) -> Holder | None:
        if not token or len(token) > TOKEN_LENGTH_MAX:
            return None
        return await sessions.find_holder_by_session(self.pool, session_digest_of(token), now=utc_now())

    def form_token(self, session: str) -> str:
        return form_token_of(session, self.pepper)

    def accepts_form(self, given: str, *, session: str) -> bool:
        return is_form_token(given, session, self.pepper)
