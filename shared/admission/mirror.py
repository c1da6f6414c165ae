"""Carries the ledger's balance into Redis.

A pass reads the open ids here, *then* the ledger's balance, version and which of those ids it has posted
in one snapshot, *then* writes: an id leaves the journal in the same instant in which `posted` contains it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from shared.admission.keys import AccountKeys
from shared.admission.lua import Call, run
from shared.ids import AccountId, RequestId


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`posted`: tokens that never expire, negative for a debt. `grants`: what remains in those that do,
    each as (id, tokens, expires_at_ms)."""

    version: int
    posted: int
    grants: Sequence[tuple[str, int, int]]


async def open_request_ids(redis: Redis, account_id: AccountId) -> set[RequestId]:
    """Held or journalled: what the ledger may have posted since Redis last heard of it."""
    names = AccountKeys(account_id)
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.hkeys(names.holds)
        pipeline.hkeys(names.journal)
        held, journalled = await pipeline.execute()
    return {RequestId(request_id.decode()) for request_id in (*held, *journalled)}


async def write_mirror(
    redis: Redis, account_id: AccountId, snapshot: Snapshot, posted_revisions: Mapping[RequestId, int]
) -> bool:
    """False when Redis has a later version: this one is dropped. Opens the account if need be."""
    names = AccountKeys(account_id)
    args: list[str | int | bytes] = [account_id, snapshot.version, snapshot.posted, len(snapshot.grants)]
    for grant_id, tokens, expires_at_ms in snapshot.grants:
        args += [grant_id, tokens, expires_at_ms]
    for request_id, revision in posted_revisions.items():
        args += [request_id, revision]
    keys = [names.account, names.holds, names.leases, names.journal]
    [written] = await run(redis, Call("mirror", keys, args))
    return bool(written)
