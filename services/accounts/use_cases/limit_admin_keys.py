"""How many wrong keys the operator's door takes: its key is somebody's choice, so after too many not even the right
one opens. Each try is one step, taken when it is known whether the key was right and before anybody is told: of tries
made at once, those behind the last wrong one that is allowed are refused, whatever they brought.

While Redis does not answer, what this process saw counts, from all addresses together: the door is never unbounded."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from redis.exceptions import RedisError

from services.accounts.adapters.attempts_redis import Attempts
from services.accounts.use_cases.limit_wrong_keys import WINDOW_SECONDS, WRONG_KEYS_MAX
from shared.errors import Unavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LimitAdminKeys:
    attempts: Attempts
    wrong_here: deque[datetime] = field(default_factory=lambda: deque(maxlen=WRONG_KEYS_MAX))

    async def opens_to_right_key(self, client: str, *, now: datetime) -> bool:
        return await self._has_room(self.attempts.look, client, now)

    async def note_wrong_key(self, client: str, *, now: datetime) -> None:
        self.wrong_here.append(now)
        await self._has_room(self.attempts.enter, client, now)

    async def _has_room(
        self, ask: Callable[[str], Awaitable[int | None]], client: str, now: datetime
    ) -> bool:
        try:
            return await ask(client) is None
        except (RedisError, Unavailable) as error:
            log.warning("admin_keys_limited_here", reason=type(error).__name__)
            return self._has_room_here(now)

    def _has_room_here(self, now: datetime) -> bool:
        is_full = len(self.wrong_here) == WRONG_KEYS_MAX
        return not is_full or self.wrong_here[0] <= now - timedelta(seconds=WINDOW_SECONDS)
