"""What accounts tells the desk about a key: whose it is, its limits, and whether it still works."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from redis.asyncio import Redis

from shared.admission.keys import AccountKeys
from shared.admission.lua import Call, run
from shared.ids import AccountId, KeyDigest, KeyId


class KeyState(StrEnum):
    ACTIVE = "active"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A tombstone is a record with the state REVOKED and a higher version."""

    digest: KeyDigest
    account_id: AccountId
    key_id: KeyId
    state: KeyState
    version: int
    limit_per_minute: int
    limit_concurrent: int
    expires_at: datetime | None = None
    """The key is refused from this instant on, by the desk's own clock."""


async def put_key(redis: Redis, record: KeyRecord) -> bool:
    """False when Redis knows a later version: this one is dropped. Writing one again does no harm."""
    call = Call(
        "put_key",
        [AccountKeys(record.account_id).key(record.digest)],
        [
            record.version,
            record.account_id,
            record.key_id,
            record.state,
            record.limit_per_minute,
            record.limit_concurrent,
            _in_ms(record.expires_at),
        ],
    )
    [written] = await run(redis, call)
    return bool(written)


def _in_ms(expires_at: datetime | None) -> int:
    """0 for a key without an end."""
    return 0 if expires_at is None else round(expires_at.timestamp() * 1000)
