"""How many wrong keys one client address may show on the dashboard. Only wrong ones count, and a right one is not held
up by them: guessing is hopeless there. A Redis that does not answer locks nobody out."""

from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from services.accounts.adapters.attempts_redis import Attempts
from shared.errors import Unavailable

WRONG_KEYS_MAX = 20
WINDOW_SECONDS = 600

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LimitWrongKeys:
    attempts: Attempts

    async def note(self, client: str) -> int | None:
        """Counts a wrong key. The seconds to wait where there were too many."""
        try:
            return await self.attempts.enter(client)
        except (RedisError, Unavailable) as error:
            log.warning("wrong_keys_not_limited", reason=type(error).__name__)
            return None
