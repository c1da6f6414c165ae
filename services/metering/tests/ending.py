"""Time as tests need it: the grants of an account end now, in the ledger and in Redis at the same moment."""

from typing import Any

import asyncpg
from redis.asyncio import Redis

from shared.admission.keys import AccountKeys
from shared.ids import AccountId


async def end_grants(owner_url: str, redis: Redis, account_id: AccountId) -> None:
    """As the owner of the schema: the service itself may not move an end. What was admitted in this very
    millisecond was admitted before."""
    end_ms = await _now_ms(redis) + 1
    for grant_id in await _end_in_ledger(owner_url, account_id, end_ms):
        name, field = AccountKeys(account_id).account, f"grant:{grant_id}"
        value: Any = await redis.hget(name, field)
        if value is not None:
            left = value.split(b":")[0].decode()
            await redis.hset(name, field, f"{left}:{end_ms}")
    while await _now_ms(redis) < end_ms:
        pass


async def _now_ms(redis: Redis) -> int:
    seconds, microseconds = await redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


async def _end_in_ledger(owner_url: str, account_id: AccountId, end_ms: int) -> list[Any]:
    owner = await asyncpg.connect(owner_url)
    try:
        rows = await owner.fetch(
            """
            UPDATE grants SET expires_at = to_timestamp($2::bigint / 1000.0)
            WHERE account_id = $1 AND expires_at > to_timestamp($2::bigint / 1000.0) RETURNING grant_id
            """,
            account_id,
            end_ms,
        )
    finally:
        await owner.close()
    return [row["grant_id"] for row in rows]
