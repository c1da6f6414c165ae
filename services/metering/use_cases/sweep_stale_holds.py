"""Ends the holds of gateways that are gone: settled from their last checkpoint, revision 1.

The charge goes to the journal and the settlement stream and reaches the ledger like any other; should the
gateway come back, its own count has a higher revision and corrects this one. Replica-safe: one script
decides whether a hold is still stale.

A Redis that was away (restarted, emptied, stopped, cut off) has heard nobody: until it has answered for as
long as a hold may be silent, no silence is a sign.
"""

import structlog
from redis.asyncio import Redis

from shared.admission.epoch import read_epoch
from shared.admission.shards import SHARDS
from shared.admission.sweep import StaleLease, Swept, stale_leases, sweep

STALE_AFTER_SECONDS = 30
LEASES_PER_SHARD_MAX = 100
"""Of one round; the next round takes the rest."""

log = structlog.get_logger()


async def sweep_stale_holds(redis: Redis, *, stale_after_seconds: float = STALE_AFTER_SECONDS) -> None:
    if (await read_epoch(redis)).steady_seconds < stale_after_seconds:
        return
    for shard in range(SHARDS):
        for lease in await stale_leases(redis, shard, stale_after_seconds, LEASES_PER_SHARD_MAX):
            await _sweep(redis, lease, stale_after_seconds)


async def _sweep(redis: Redis, lease: StaleLease, stale_after_seconds: float) -> None:
    about = {"account_id": lease.account_id, "swept_request_id": lease.request_id}
    try:
        outcome = await sweep(redis, lease.account_id, lease.request_id, stale_after_seconds)
    except ValueError as error:  # a hold that nobody can read: it stays, and is told each time
        log.error("hold_unreadable", **about, reason=type(error).__name__)
        return
    if isinstance(outcome, Swept):
        log.warning("hold_swept", **about, tokens=outcome.record.tokens)
