"""Ends the holds of gateways that are gone. Safe to run anywhere, at any time, several at once."""

from dataclasses import dataclass

from redis.asyncio import Redis

from shared.admission.desk import REMEMBER_MS
from shared.admission.holds import hold_of, lost_record
from shared.admission.keys import AccountKeys, leases_of
from shared.admission.lua import Call, run
from shared.contracts.gateway import UsageRecord
from shared.ids import AccountId, RequestId


@dataclass(frozen=True, slots=True)
class StaleLease:
    account_id: AccountId
    request_id: RequestId


@dataclass(frozen=True, slots=True)
class Swept:
    """Settled as `record`. If its gateway comes back, its own settlement corrects this one."""

    record: UsageRecord


@dataclass(frozen=True, slots=True)
class NotStale:
    """It ended or gave a sign of life in the meantime."""


async def stale_leases(redis: Redis, shard: int, older_than_seconds: float, limit: int) -> list[StaleLease]:
    """Requests of one shard without a heartbeat for that long, the oldest first."""
    call = Call("stale_leases", [leases_of(shard)], [_ms(older_than_seconds), limit])
    [members] = await run(redis, call)
    return [_lease_of(member) for member in members]


async def sweep(
    redis: Redis, account_id: AccountId, request_id: RequestId, older_than_seconds: float
) -> Swept | NotStale:
    """Settles one request at revision 1 from its last checkpoint, if it is still without a heartbeat."""
    names = AccountKeys(account_id)
    packed = await redis.hget(names.holds, request_id)
    if not isinstance(packed, bytes):
        return NotStale()
    record = lost_record(account_id, request_id, hold_of(packed))
    call = Call(
        "sweep",
        names.settlement(request_id),
        [
            account_id,
            request_id,
            record.revision,
            record.tokens,
            record.model_dump_json(),
            REMEMBER_MS,
            packed,
            _ms(older_than_seconds),
        ],
    )
    [swept] = await run(redis, call)
    return NotStale() if swept is None else Swept(record)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _lease_of(member: bytes) -> StaleLease:
    account_id, request_id = member.decode().split("/")
    return StaleLease(AccountId(account_id), RequestId(request_id))
