"""What accounts tells the desk about a key: whose it is, its limits, and whether it still works."""

from dataclasses import dataclass
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
        ],
    )
    [written] = await run(redis, call)
    return bool(written)
