"""Accounts with keys and more than enough tokens, put into Redis as accounts and metering would.

Many, and from many addresses: a limit's window is kept for each."""

from redis.asyncio import Redis

from shared.admission.key_records import KeyRecord, KeyState, put_key
from shared.admission.mirror import Snapshot
from shared.api_keys import digest_of, new_account_id, new_api_key
from shared.ids import KeyId, new_request_id
from shared.redis_client import open_redis
from tests.support.admission import open_in_redis

ACCOUNTS = 200
TOKENS = 10**13
LIMIT = 1_000_000


async def open_accounts(redis_url: str, pepper: bytes, count: int = ACCOUNTS) -> list[str]:
    """Their keys."""
    async with open_redis(redis_url) as redis:
        return [await _open_account(redis, pepper) for _ in range(count)]


async def _open_account(redis: Redis, pepper: bytes) -> str:
    account_id = new_account_id()
    key = new_api_key(account_id)
    record = KeyRecord(
        digest=digest_of(key, pepper),
        account_id=account_id,
        key_id=KeyId(new_request_id()),
        state=KeyState.ACTIVE,
        version=1,
        limit_per_minute=LIMIT,
        limit_concurrent=LIMIT,
    )
    await put_key(redis, record)
    await open_in_redis(redis, account_id, Snapshot(version=1, posted=TOKENS, grants=()))
    return key


def address_of(number: int) -> str:
    """Of the customer with that number."""
    return f"198.51.{number // 250}.{1 + number % 250}"
