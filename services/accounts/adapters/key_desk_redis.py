"""The key records in Redis, by which the gateways know a key and its limits."""

from collections.abc import Iterable
from dataclasses import dataclass

from redis.asyncio import Redis

from services.accounts.adapters.api_keys_postgres import StoredKey
from shared.admission.key_records import KeyRecord, put_key


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What every key may do: requests in any 60 s, and requests at once."""

    requests_per_minute: int
    requests_concurrent: int


class KeyDesk:
    def __init__(self, redis: Redis, limits: KeyLimits) -> None:
        self._redis = redis
        self._limits = limits

    async def put(self, keys: Iterable[StoredKey]) -> None:
        """Writes them in order; an older version than Redis has is dropped there. Raises RedisError."""
        for key in keys:
            await put_key(self._redis, self._record_of(key))

    def _record_of(self, key: StoredKey) -> KeyRecord:
        return KeyRecord(
            digest=key.digest,
            account_id=key.account_id,
            key_id=key.key_id,
            state=key.state,
            version=key.version,
            limit_per_minute=self._limits.requests_per_minute,
            limit_concurrent=self._limits.requests_concurrent,
            expires_at=key.expires_at,
        )
