"""Accounts and keys as accounts and metering would have written them to Redis."""

from dataclasses import dataclass

from redis.asyncio import Redis

from shared.admission.desk import AdmissionDesk
from shared.admission.holds import hold_of
from shared.admission.key_records import KeyRecord, KeyState, put_key
from shared.admission.keys import AccountKeys
from shared.admission.mirror import Snapshot
from shared.api_keys import digest_of, new_account_id, new_api_key
from shared.ids import AccountId, KeyId, new_request_id
from tests.support.admission import open_in_redis
from tests.support.eventually import eventually

PEPPER = "a pepper for tests, 32 characters or more"


@dataclass(frozen=True, slots=True)
class Account:
    account_id: AccountId
    key: str
    key_record: KeyRecord

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}


def new_account(*, limit_per_minute: int = 1000, limit_concurrent: int = 100) -> Account:
    account_id = new_account_id()
    key = new_api_key(account_id)
    record = KeyRecord(
        digest=digest_of(key, PEPPER.encode()),
        account_id=account_id,
        key_id=KeyId(new_request_id()),
        state=KeyState.ACTIVE,
        version=1,
        limit_per_minute=limit_per_minute,
        limit_concurrent=limit_concurrent,
    )
    return Account(account_id, key, record)


async def open_account(
    redis: Redis, *, tokens: int, limit_per_minute: int = 1000, limit_concurrent: int = 100
) -> Account:
    account = new_account(limit_per_minute=limit_per_minute, limit_concurrent=limit_concurrent)
    await put_key(redis, account.key_record)
    await open_in_redis(redis, account.account_id, Snapshot(version=1, posted=tokens, grants=()))
    return account


async def available(redis: Redis, account: Account) -> int:
    balance = await AdmissionDesk(redis).balance(account.account_id)
    assert balance is not None
    return balance.available


async def held(redis: Redis, account: Account) -> int:
    balance = await AdmissionDesk(redis).balance(account.account_id)
    assert balance is not None
    return balance.held


async def nothing_is_held(redis: Redis, account: Account) -> None:
    """Waits until every hold has ended."""

    async def released() -> bool:
        return await held(redis, account) == 0

    await eventually(released)


async def has_holds(redis: Redis, account: Account, count: int) -> None:
    """Waits until so many requests have been admitted and not ended."""

    async def admitted() -> bool:
        return await redis.hlen(AccountKeys(account.account_id).holds) == count

    await eventually(admitted)


async def two_checkpoints(redis: Redis, account: Account) -> None:
    """Waits for them: with the second, what the first has answered has been acted upon."""
    heartbeats: set[int] = set()

    async def heard() -> bool:
        holds = await redis.hvals(AccountKeys(account.account_id).holds)
        heartbeats.update(hold_of(packed).heartbeat_at_ms for packed in holds if isinstance(packed, bytes))
        return len(heartbeats) > 2

    await eventually(heard)
