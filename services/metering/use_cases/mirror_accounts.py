"""Carries posted balances into Redis, versioned and convergent, and opens accounts there.

A pass reads which requests are open in Redis, *then* the ledger in one snapshot, *then* writes: a request
leaves Redis's journal in the instant in which the posted balance contains it. A pass is marked with the
version that was known before it began: only what was posted up to then was certainly open in Redis when
the ids were read. A pass that fails, that Redis drops, or that leaves the account closed is not marked, and
so comes again; an account that nothing happened to since Redis lost it opens when somebody asks.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.metering.adapters.accounts_postgres import (
    claim_first_opening,
    find_version,
    list_accounts_to_mirror,
    mark_mirrored,
)
from services.metering.adapters.batches_postgres import list_announced
from services.metering.adapters.lowerings_postgres import give_up_lowerings_of
from services.metering.adapters.snapshots_postgres import LedgerSnapshot, read_snapshot
from services.metering.domain.accounts import AccountUnknown
from services.metering.domain.batches import batches_of, is_drained, last_of_each
from services.metering.use_cases.mirrored import as_mirrored
from shared import faults
from shared.admission.mirror import (
    Absent,
    Closed,
    Dropped,
    IsClosed,
    IsOpen,
    KeepDraining,
    Open,
    OpenDrained,
    Opening,
    OpenNew,
    Pass,
    Sequences,
    Write,
    Written,
    begin_passes,
    write_mirrors,
)
from shared.admission.sequences import count_untold, read_sequences
from shared.ids import AccountId, RequestId
from shared.postgres import Pool

ACCOUNTS_PER_PASS = 100
"""Two round trips to Redis for all of them; each keeps it busy for some milliseconds."""

log = structlog.get_logger()


async def mirror_changed_accounts(pool: Pool, redis: Redis) -> None:
    """All accounts of whose latest version Redis has not heard, each once."""
    after = AccountId("")
    while versions := await list_accounts_to_mirror(pool, after=after, limit=ACCOUNTS_PER_PASS):
        await _mirror(pool, redis, versions)
        after = next(reversed(versions))


async def mirror_account(pool: Pool, redis: Redis, account_id: AccountId) -> Written:
    """For a Redis that has lost it. Raises AccountUnknown."""
    version = await find_version(pool, account_id)
    if version is None:
        raise AccountUnknown(account_id)
    return (await _mirror(pool, redis, {account_id: version}))[account_id]


async def _mirror(pool: Pool, redis: Redis, versions: Mapping[AccountId, int]) -> dict[AccountId, Written]:
    passes = await begin_passes(redis, list(versions))
    await _give_up_lost_lowerings(pool, passes)
    new = await _claim_new(pool, passes)
    drains = await _drains(pool, redis, passes)
    ledger = await read_snapshot(
        pool,
        versions.keys(),
        [UUID(request_id) for begun in passes.values() for request_id in begun.request_ids],
        {batch for drain in drains.values() for batch in batches_of(drain)},
    )
    openings = {
        account_id: _opening(begun.account, account_id in new, drains.get(account_id), ledger)
        for account_id, begun in passes.items()
    }
    written = await _write(redis, ledger, passes, openings)
    faults.reached("mirrored")
    opened = {account_id for account_id, outcome in written.items() if outcome == IsOpen()}
    await mark_mirrored(pool, {account_id: versions[account_id] for account_id in opened})
    return written


async def _give_up_lost_lowerings(pool: Pool, passes: Mapping[AccountId, Pass]) -> None:
    """Before the ledger is read: what was held in a Redis that is gone is held no longer when this one opens."""
    lost = [account_id for account_id, begun in passes.items() if not isinstance(begun.account, Open)]
    if lost:
        await give_up_lowerings_of(pool, lost)


async def _claim_new(pool: Pool, passes: Mapping[AccountId, Pass]) -> set[AccountId]:
    """Those that no Redis has ever had: nothing of them can have been lost."""
    absent = [account_id for account_id, begun in passes.items() if isinstance(begun.account, Absent)]
    return await claim_first_opening(pool, absent) if absent else set()


async def _drains(pool: Pool, redis: Redis, passes: Mapping[AccountId, Pass]) -> dict[AccountId, Sequences]:
    """What must be posted before each account opens, of those whose wait is over. Settled by the first pass
    after it: by then every gateway has told again what it had published. One that has yet to tell what it had
    settled has said so by then, too: nothing opens before."""
    waiting = {
        account_id: begun.account
        for account_id, begun in passes.items()
        if isinstance(begun.account, Closed) and begun.account.opens_in_ms == 0
    }
    if not waiting or await count_untold(redis):
        return {}
    published = last_of_each(await read_sequences(redis), await list_announced(pool))
    return {
        account_id: published if closed.drain is None else closed.drain
        for account_id, closed in waiting.items()
    }


def _opening(
    account: Absent | Closed | Open, is_new: bool, drain: Sequences | None, ledger: LedgerSnapshot
) -> Opening | None:
    match account:
        case Absent() if is_new:
            return OpenNew(account)
        case Closed() if drain is not None:
            return (
                OpenDrained(account)
                if is_drained(drain, ledger.posted_through)
                else KeepDraining(account, drain)
            )
        case _:
            return None


async def _write(
    redis: Redis,
    ledger: LedgerSnapshot,
    passes: Mapping[AccountId, Pass],
    openings: Mapping[AccountId, Opening | None],
) -> dict[AccountId, Written]:
    writes = [
        Write(
            account_id,
            as_mirrored(ledger.accounts[account_id]),
            _posted_among(begun.request_ids, ledger.posted_revisions),
            openings[account_id],
        )
        for account_id, begun in passes.items()
    ]
    outcomes = map(_written, passes, await write_mirrors(redis, writes))
    written = dict(zip(passes, outcomes, strict=True))
    _report(passes, written)
    return written


def _written(account_id: AccountId, outcome: Written | ResponseError) -> Written:
    """What Redis refuses of one account concerns no other."""
    if isinstance(outcome, ResponseError):
        log.error("mirror_refused", account_id=account_id, reason=str(outcome))
        return Dropped()
    return outcome


def _report(passes: Mapping[AccountId, Pass], written: Mapping[AccountId, Written]) -> None:
    for account_id, outcome in written.items():
        match passes[account_id].account, outcome:
            case _, Dropped():
                log.info("mirror_dropped", account_id=account_id)
            case Absent(), IsClosed():
                log.warning("account_lost_by_redis", account_id=account_id)
            case Closed(), IsOpen():
                log.info("account_opened_again", account_id=account_id)
            case _:
                pass


def _posted_among(ids: Iterable[RequestId], revisions: Mapping[UUID, int]) -> dict[RequestId, int]:
    return {request_id: revisions[UUID(request_id)] for request_id in ids if UUID(request_id) in revisions}
