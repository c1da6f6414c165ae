"""Writes a key's record to Redis again, because a gateway found none (or one of another Redis)."""

from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from services.accounts.adapters import api_keys_postgres as api_keys
from services.accounts.adapters.key_desk_redis import KeyDesk
from shared.errors import Unavailable
from shared.ids import KeyDigest
from shared.postgres import Pool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RefillKey:
    pool: Pool
    desk: KeyDesk

    async def __call__(self, digest: KeyDigest) -> bool:
        """False when no such key was ever issued. A revoked key's tombstone is written, too."""
        key = await api_keys.find_key(self.pool, digest)
        if key is None:
            return False
        try:
            await self.desk.put([key])
        except RedisError as error:
            raise Unavailable("Redis does not answer.", retry_after_seconds=1) from error
        log.info("key_refilled", key_id=key.key_id, state=key.state)
        return True
