"""Posts what remains of grants that have ended, once nothing admitted before their end is still on its way.

Redis admits nobody to an ended grant, by its own clock. What was admitted before and is held or journalled may
still burn it: the grant waits for it. A request's id tells when it was made, before its admission.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis

from services.metering.adapters.accounts_postgres import lock_account
from services.metering.adapters.entries_postgres import post_entries
from services.metering.adapters.grants_postgres import list_accounts_with_ended_grants, list_ended_grants
from services.metering.domain.entries import expiring
from services.metering.use_cases.mirror_accounts import mirror_account
from shared.admission.mirror import Open, begin_pass
from shared.ids import AccountId, RequestId
from shared.postgres import Pool

ACCOUNTS_PER_ROUND = 100
MILLISECOND = timedelta(milliseconds=1)
CLOCKS_DIFFER_AT_MOST = timedelta(seconds=60)
"""Of a gateway, that made the id, from Redis, that admitted the request."""


async def expire_grants(
    pool: Pool, redis: Redis, *, clocks_differ_at_most: timedelta = CLOCKS_DIFFER_AT_MOST
) -> None:
    """Replica-safe. A grant that has to wait comes again with the next round."""
    now = await _redis_now(redis)
    after = AccountId("")
    while accounts := await list_accounts_with_ended_grants(
        pool, ended_by=now, after=after, limit=ACCOUNTS_PER_ROUND
    ):
        for account_id in accounts:
            begun = await begin_pass(redis, account_id)
            if not isinstance(begun.account, Open):
                await mirror_account(pool, redis, account_id)
                continue
            made_at = min(map(_made_at, begun.request_ids), default=None)
            ended_by = now if made_at is None else min(now, made_at - MILLISECOND - clocks_differ_at_most)
            await _expire(pool, account_id, ended_by=ended_by, now=now)
        after = accounts[-1]


async def _expire(pool: Pool, account_id: AccountId, *, ended_by: datetime, now: datetime) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await lock_account(connection, account_id)
        ended = await list_ended_grants(connection, account_id, ended_by=ended_by)
        if ended:
            await post_entries(connection, {account_id: [expiring(grant) for grant in ended]}, now)


async def _redis_now(redis: Redis) -> datetime:
    seconds, microseconds = await redis.time()
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)


def _made_at(request_id: RequestId) -> datetime:
    """The first 48 bits of a UUIDv7 are milliseconds (RFC 9562)."""
    return datetime.fromtimestamp((UUID(request_id).int >> 80) / 1000, UTC)
