"""Time as tests need it: the grants of an account end now, in the ledger and in Redis at the same moment."""

from typing import Any

import asyncpg
from redis.asyncio import Redis

from shared.admission.keys import AccountKeys
from shared.ids import AccountId


async def end_grants(owner_url: str, redis: Redis, account_id: AccountId) -> None:
    """As the owner of the schema: the service itself may not move an end."""
    seconds, microseconds = await redis.time()
    now_ms = seconds * 1000 + microseconds // 1000
    for grant_id in await _end_in_ledger(owner_url, account_id, now_ms):
        name, field = AccountKeys(account_id).account, f"grant:{grant_id}"
        value: Any = await redis.hget(name, field)
        if value is not None:
            left = value.split(b":")[0].decode()
            await redis.hset(name, field, f"{left}:{now_ms}")


async def _end_in_ledger(owner_url: str, account_id: AccountId, now_ms: int) -> list[Any]:
    owner = await asyncpg.connect(owner_url)
    try:
        rows = await owner.fetch(
            """
            UPDATE grants SET expires_at = to_timestamp($2::bigint / 1000.0)
            WHERE account_id = $1 AND expires_at > to_timestamp($2::bigint / 1000.0) RETURNING grant_id
            """,
            account_id,
            now_ms,
        )
    finally:
        await owner.close()
    return [row["grant_id"] for row in rows]
