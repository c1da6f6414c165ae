"""May this client register this address now? So many an hour per client address, and fewer per address."""

import hmac
from dataclasses import dataclass, field

import structlog
from redis.exceptions import RedisError

from services.accounts.adapters.attempts_redis import Attempts
from shared.errors import Unavailable

WINDOW_SECONDS = 3600

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TooManyRegistrations:
    """`by` tells which limit it was; both count tries, whoever has an account."""

    by: str
    retry_after_seconds: int


@dataclass(frozen=True, slots=True)
class LimitRegistrations:
    clients: Attempts
    addresses: Attempts
    pepper: bytes = field(repr=False)

    async def __call__(self, email: str, *, client: str) -> TooManyRegistrations | None:
        """None when there is room. A Redis that does not answer stops nobody from registering."""
        try:
            if wait_seconds := await self.clients.enter(client):
                return TooManyRegistrations("client", wait_seconds)
            if wait_seconds := await self.addresses.enter(self._blind(email)):
                return TooManyRegistrations("address", wait_seconds)
        except (RedisError, Unavailable) as error:
            log.warning("registration_not_limited", reason=type(error).__name__)
        return None

    def _blind(self, email: str) -> str:
        """Redis is told no address."""
        return hmac.digest(self.pepper, f"registration:{email}".encode(), "sha256").hex()
