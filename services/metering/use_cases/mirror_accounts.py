"""Carries posted balances into Redis, versioned and convergent.

A pass reads which requests are open in Redis, *then* the ledger in one snapshot, *then* writes: a request
leaves Redis's journal in the instant in which the posted balance contains it. A pass is marked with the
version that was known before it began: only what was posted up to then was certainly open in Redis when
the ids were read. A pass that fails, or that Redis drops, is not marked, and so comes again.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.metering.adapters.accounts_postgres import find_version, list_accounts_to_mirror, mark_mirrored
from services.metering.adapters.snapshots_postgres import AccountSnapshot, LedgerSnapshot, read_snapshot
from services.metering.domain.accounts import AccountUnknown
from shared.admission.mirror import Snapshot, open_request_ids, write_mirror
from shared.ids import AccountId, RequestId
from shared.postgres import Pool

ACCOUNTS_PER_PASS = 32
"""Each takes a connection to Redis at the same time: half of what the client may open."""
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

log = structlog.get_logger()


async def mirror_changed_accounts(pool: Pool, redis: Redis) -> None:
    """All accounts of whose latest version Redis has not heard, each once."""
    after = AccountId("")
    while versions := await list_accounts_to_mirror(pool, after=after, limit=ACCOUNTS_PER_PASS):
        await _mirror(pool, redis, versions)
        after = next(reversed(versions))


async def mirror_account(pool: Pool, redis: Redis, account_id: AccountId) -> None:
    """For a Redis that has lost it. Raises AccountUnknown."""
    version = await find_version(pool, account_id)
    if version is None:
        raise AccountUnknown(account_id)
    await _mirror(pool, redis, {account_id: version})


async def _mirror(pool: Pool, redis: Redis, versions: Mapping[AccountId, int]) -> None:
    open_ids = await _read_open_ids(redis, versions.keys())
    request_ids = [UUID(request_id) for ids in open_ids.values() for request_id in ids]
    ledger = await read_snapshot(pool, versions.keys(), request_ids)
    accepted = await _write(redis, ledger, open_ids)
    await mark_mirrored(pool, {account_id: versions[account_id] for account_id in accepted})
    for account_id in versions.keys() - accepted:
        log.info("mirror_dropped", account_id=account_id, version=versions[account_id])


async def _read_open_ids(redis: Redis, account_ids: Collection[AccountId]) -> dict[AccountId, set[RequestId]]:
    found = await asyncio.gather(*(open_request_ids(redis, account_id) for account_id in account_ids))
    return dict(zip(account_ids, found, strict=True))


async def _write(
    redis: Redis, ledger: LedgerSnapshot, open_ids: Mapping[AccountId, set[RequestId]]
) -> set[AccountId]:
    """The accounts whose write Redis took; it drops one that is older than what it has."""

    async def write(account_id: AccountId, ids: set[RequestId]) -> bool:
        snapshot = _as_mirrored(ledger.accounts[account_id])
        try:
            return await write_mirror(
                redis, account_id, snapshot, _posted_among(ids, ledger.posted_revisions)
            )
        except ResponseError as error:  # of this account alone: the others go on
            log.error("mirror_refused", account_id=account_id, reason=str(error))
            return False

    taken = await asyncio.gather(*(write(account_id, ids) for account_id, ids in open_ids.items()))
    return {account_id for account_id, was_taken in zip(open_ids, taken, strict=True) if was_taken}


def _as_mirrored(account: AccountSnapshot) -> Snapshot:
    """Grants that have ended are among them: whether one has, Redis's clock decides."""
    posted = sum(grant.remaining for grant in account.grants if grant.expires_at is None)
    ending = [
        (str(grant.grant_id), grant.remaining, (grant.expires_at - UNIX_EPOCH) // MILLISECOND)
        for grant in account.grants
        if grant.expires_at is not None
    ]
    return Snapshot(account.version, posted, ending)


def _posted_among(ids: Iterable[RequestId], revisions: Mapping[UUID, int]) -> dict[RequestId, int]:
    return {request_id: revisions[UUID(request_id)] for request_id in ids if UUID(request_id) in revisions}
