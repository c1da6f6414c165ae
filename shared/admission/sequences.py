"""What each gateway says of itself with every checkpoint tick: its last published batch, and what is untold.

After a loss of Redis no account opens before every gateway has told again what it had settled, and the ledger
has posted all batches: what was settled by others (the sweeper, a gateway that is gone) and published by this
gateway is in no memory any more.
"""

from typing import Any

from redis.asyncio import Redis

from shared.admission.keys import SEQUENCES
from shared.admission.lua import Call, run

FORGET_AFTER_MS = 24 * 3_600_000
"""A gateway that is gone has nothing on its way any more."""
HEARD_WITHIN_MS = 5_000
"""Twenty ticks: who has not said for so long that something is untold is dead, or stands still."""


async def write_sequence(redis: Redis, gateway: str, sequence: int, *, untold: int = 0) -> None:
    """`sequence` is the last that the broker has confirmed; 0 before the first. It never goes back. `untold`:
    settlements that this Redis may have lost and has not been told again."""
    await run(redis, Call("write_sequence", [SEQUENCES], [gateway, sequence, untold, FORGET_AFTER_MS]))


async def read_sequences(redis: Redis) -> dict[str, int]:
    """By gateway; those without any batch are left out."""
    stored: Any = await redis.hgetall(SEQUENCES)
    sequences = {gateway.decode(): int(value.split(b":")[0]) for gateway, value in stored.items()}
    return {gateway: sequence for gateway, sequence in sequences.items() if sequence > 0}


async def count_untold(redis: Redis) -> int:
    """Settlements that living gateways have yet to tell again: not 0, and no account may open."""
    [untold] = await run(redis, Call("untold", [SEQUENCES], [HEARD_WITHIN_MS]))
    return int(untold)
