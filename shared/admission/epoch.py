"""Which life of Redis we are in. A new one means that Redis may have lost what it was told.

A restart changes `run_id`, even one from an older file; emptied data changes `marker`. Who sees either
change writes again whatever only it still knows.
"""

import secrets
from dataclasses import dataclass, field

from redis.asyncio import Redis

from shared.admission.keys import EPOCH_MARKER
from shared.admission.lua import Call, run

PAUSE_MS = 10_000
"""Every gateway asks four times a second: after a silence this long nobody could reach Redis."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """Two are equal when nothing was lost in between. `steady_seconds`: for how long this life has gone on
    without a pause in which nobody could reach Redis."""

    run_id: str
    marker: str
    steady_seconds: float = field(compare=False)


async def read_epoch(redis: Redis) -> Epoch:
    """Begins an epoch when there is none. One round trip."""
    call = Call("epoch", [EPOCH_MARKER], [secrets.token_hex(8), PAUSE_MS])
    [[run_id, marker, steady_ms]] = await run(redis, call)
    return Epoch(run_id.decode(), marker.decode(), steady_ms / 1000)
