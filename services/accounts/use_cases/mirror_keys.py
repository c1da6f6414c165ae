"""Tells Redis what became of each key: at once where possible, and in a loop until it is done.

PostgreSQL is the truth. A record whose version Redis has not been told is unmirrored and stays so until
the write succeeded; so an outage of Redis delays a tombstone but never loses one. Keys end here, too.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from services.accounts.adapters import api_keys_postgres as api_keys
from services.accounts.adapters.api_keys_postgres import StoredKey
from services.accounts.adapters.key_desk_redis import KeyDesk
from services.accounts.use_cases import measure
from shared import faults
from shared.background import end_if_stopping
from shared.clock import utc_now
from shared.errors import Unavailable
from shared.postgres import POSTGRES_ERRORS, Pool

INTERVAL_SECONDS = 0.25
"""With the immediate attempt lost, a revocation still reaches every gateway within its second."""
BATCH_KEYS_MAX = 200

REDIS_ERRORS = (RedisError, Unavailable)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MirrorKeys:
    pool: Pool
    desk: KeyDesk

    async def try_now(self, keys: Sequence[StoredKey]) -> None:
        """The immediate attempt, after the commit. The loop writes the same again and marks it."""
        faults.reached("key_stored")
        measure.keys_changed(keys)
        try:
            await self.desk.put(keys)
        except REDIS_ERRORS as error:
            measure.KEYS_LATE.inc(len(keys))
            log.warning("keys_not_mirrored_at_once", reason=type(error).__name__, count=len(keys))

    async def begin_anew(self) -> None:
        """At start: every active key is written again, so that changed limits take effect."""
        await api_keys.forget_mirrored(self.pool)

    async def run(self) -> None:
        """For ever, through outages of PostgreSQL and Redis."""
        while True:
            try:
                expired_count = await api_keys.revoke_expired(self.pool, now=utc_now())
                measure.KEY_CHANGES.labels("expired").inc(expired_count)
                while await self.mirror_batch() == BATCH_KEYS_MAX:
                    pass
            except (*REDIS_ERRORS, *POSTGRES_ERRORS) as error:
                log.warning("key_mirror_paused", reason=type(error).__name__)
                end_if_stopping()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def mirror_batch(self) -> int:
        """How many keys were written. Raises what PostgreSQL or Redis raise."""
        keys = await api_keys.list_unmirrored(self.pool, limit=BATCH_KEYS_MAX)
        if keys:
            await self.desk.put(keys)
            await api_keys.mark_mirrored(self.pool, keys)
        return len(keys)
