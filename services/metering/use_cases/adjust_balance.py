"""An operator changes the paid balance: adds a grant, or takes tokens by hold.

A deduction is written down as open, then held in Redis, then posted: each id once. Whoever comes again with
the same id after a crash goes on where it stopped; what nobody comes back for is given up after a minute.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.metering.adapters.accounts_postgres import lock_accounts
from services.metering.adapters.entries_postgres import post_entries
from services.metering.adapters.grants_postgres import add_grant, list_open_grants
from services.metering.adapters.lowerings_postgres import (
    add_adjustment,
    begin_lowering,
    end_lowering,
    find_adjustment,
    give_up_lowering,
    list_stuck_lowerings,
)
from services.metering.domain.adjustments import (
    Adjustment,
    IdTaken,
    InsufficientBalance,
    NothingToChange,
    deduct,
)
from services.metering.domain.entries import filling
from services.metering.domain.grants import adjustment_grant
from services.metering.use_cases.change_account import change_account
from services.metering.use_cases.mirror_accounts import mirror_account
from shared import faults
from shared.admission.lower import Ended, Held, NotEnough, NotOpen, lower
from shared.errors import Unavailable
from shared.ids import AccountId, new_uuid7
from shared.postgres import Connection, Pool

ATTEMPTS_MAX = 3
"""Each begins where the one before was given up, or Redis had lost the account."""
GIVE_UP_AFTER = timedelta(seconds=60)
LOWERINGS_PER_ROUND = 100

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lowering:
    """A deduction that is not done: its hold, and what for."""

    lowering_id: UUID
    adjustment: Adjustment


async def adjust_balance(pool: Pool, redis: Redis, adjustment: Adjustment, now: datetime) -> None:
    """Raises NothingToChange, InsufficientBalance, AccountUnknown, AccountDeletedBefore, IdTaken, Unavailable."""
    if adjustment.delta == 0:
        raise NothingToChange
    if adjustment.delta > 0:
        await _add(pool, adjustment, now)
        return
    try:
        await _deduct(pool, redis, adjustment, now)
    except RedisError as error:
        raise Unavailable(
            "Balances can not be lowered now: try again soon.", retry_after_seconds=1
        ) from error


async def give_up_stuck_lowerings(pool: Pool, now: datetime) -> None:
    """Replica-safe: from then on they can not be posted, and the next mirror pass ends their holds."""
    stuck = await list_stuck_lowerings(pool, began_before=now - GIVE_UP_AFTER, limit=LOWERINGS_PER_ROUND)
    for lowering_id, account_id in stuck:
        await _give_up(pool, account_id, lowering_id, now)
        log.warning("deduction_given_up", account_id=account_id, lowering_id=str(lowering_id))


async def _add(pool: Pool, adjustment: Adjustment, now: datetime) -> None:
    async with change_account(pool, adjustment.account_id) as connection:
        if await _is_done(connection, adjustment):
            return
        grant = adjustment_grant(
            adjustment.account_id,
            adjustment.adjustment_id,
            adjustment.delta,
            grant_id=new_uuid7(),
            now=now,
        )
        await add_adjustment(connection, adjustment, now)
        await add_grant(connection, grant)
        entries = [filling(grant, reason=adjustment.reason)]
        await post_entries(connection, {adjustment.account_id: entries}, now)


async def _deduct(pool: Pool, redis: Redis, adjustment: Adjustment, now: datetime) -> None:
    redis_is_behind = True  # until a pass of ours has come through
    for _ in range(ATTEMPTS_MAX):
        lowering = await _begin(pool, adjustment, now)
        if lowering is None:
            return
        match await lower(redis, adjustment.account_id, lowering.lowering_id, -adjustment.delta):
            case Held():
                faults.reached("held_to_lower")
                if await _post(pool, lowering, now):
                    return
                await _end_its_hold(pool, adjustment.account_id, now)
            case NotEnough() if redis_is_behind:
                await mirror_account(pool, redis, adjustment.account_id)
                redis_is_behind = False
            case NotEnough(available):
                await _give_up(pool, adjustment.account_id, lowering.lowering_id, now)
                raise InsufficientBalance(available)
            case Ended():
                await _give_up(pool, adjustment.account_id, lowering.lowering_id, now)
            case NotOpen():
                await mirror_account(pool, redis, adjustment.account_id)
                redis_is_behind = False
    raise Unavailable("The balance is being rebuilt: try again soon.", retry_after_seconds=2)


async def _begin(pool: Pool, adjustment: Adjustment, now: datetime) -> Lowering | None:
    """None when it is done already."""
    async with change_account(pool, adjustment.account_id) as connection:
        if await _is_done(connection, adjustment):
            return None
        return Lowering(await begin_lowering(connection, adjustment, new_uuid7(), now), adjustment)


async def _post(pool: Pool, lowering: Lowering, now: datetime) -> bool:
    """False when it was given up, or done by another, meanwhile."""
    adjustment = lowering.adjustment
    async with change_account(pool, adjustment.account_id) as connection:
        if not await end_lowering(connection, lowering.lowering_id):
            return False
        grants = await list_open_grants(connection, [adjustment.account_id])
        entries = deduct(adjustment, grants[adjustment.account_id])
        await add_adjustment(connection, adjustment, now)
        await post_entries(connection, {adjustment.account_id: entries}, now)
        return True


async def _give_up(pool: Pool, account_id: AccountId, lowering_id: UUID, now: datetime) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await lock_accounts(connection, [account_id])
        if await give_up_lowering(connection, lowering_id):
            await post_entries(connection, {account_id: ()}, now)


async def _end_its_hold(pool: Pool, account_id: AccountId, now: datetime) -> None:
    """Of a lowering that had ended before it was held: the next mirror pass finds it and ends the hold."""
    async with pool.acquire() as connection, connection.transaction():
        await lock_accounts(connection, [account_id])
        await post_entries(connection, {account_id: ()}, now)


async def _is_done(connection: Connection, adjustment: Adjustment) -> bool:
    """Raises IdTaken when another change was made under this id."""
    done = await find_adjustment(connection, adjustment.adjustment_id)
    if done is not None and (done.account_id, done.delta) != (adjustment.account_id, adjustment.delta):
        raise IdTaken("adjustment_id")
    return done is not None
