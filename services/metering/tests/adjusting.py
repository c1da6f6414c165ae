"""Adjustments, whole and as far as they came when their process died."""

from datetime import timedelta
from uuid import UUID

from redis.asyncio import Redis

from services.metering.adapters.lowerings_postgres import begin_lowering
from services.metering.domain.adjustments import (
    Adjustment,
)
from services.metering.tests.building import NOON, Books
from services.metering.use_cases.adjust_balance import (
    GIVE_UP_AFTER,
    adjust_balance,
    give_up_stuck_lowerings,
)
from services.metering.use_cases.change_account import change_account
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from shared.admission.lower import Held, lower
from shared.ids import AccountId, new_uuid7


def by(delta: int, account_id: AccountId, adjustment_id: UUID | None = None) -> Adjustment:
    return Adjustment(adjustment_id or new_uuid7(), account_id, delta, "asked for by mail")


async def adjust(books: Books, redis: Redis, adjustment: Adjustment) -> None:
    await adjust_balance(books.pool, redis, adjustment, NOON)


async def begin(books: Books, adjustment: Adjustment) -> UUID:
    """As far as a process came that died before it held anything."""
    async with change_account(books.pool, adjustment.account_id) as connection:
        return await begin_lowering(connection, adjustment, new_uuid7(), NOON)


async def hold(books: Books, redis: Redis, adjustment: Adjustment) -> UUID:
    """As far as one came that died before it posted."""
    lowering_id = await begin(books, adjustment)
    assert await lower(redis, adjustment.account_id, lowering_id, -adjustment.delta) == Held()
    return lowering_id


async def end_stuck(books: Books, redis: Redis) -> None:
    await give_up_stuck_lowerings(books.pool, NOON + GIVE_UP_AFTER + timedelta(seconds=1))
    await mirror_changed_accounts(books.pool, redis)
