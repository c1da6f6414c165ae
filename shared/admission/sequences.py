"""The last batch each gateway has published, as it says itself with every checkpoint tick.

After a loss of Redis no account opens before the ledger has posted all of them: what was settled by others
(the sweeper, a gateway that is gone) and published by this gateway is in no memory any more.
"""

from typing import Any

from redis.asyncio import Redis

from shared.admission.keys import SEQUENCES
from shared.admission.lua import Call, run

FORGET_AFTER_MS = 24 * 3_600_000
"""A gateway that is gone has nothing on its way any more."""


async def write_sequence(redis: Redis, gateway: str, sequence: int) -> None:
    """`sequence` is the last that the broker has confirmed; 0 before the first. It never goes back."""
    await run(redis, Call("write_sequence", [SEQUENCES], [gateway, sequence, FORGET_AFTER_MS]))


async def read_sequences(redis: Redis) -> dict[str, int]:
    """By gateway; those without any batch are left out."""
    stored: Any = await redis.hgetall(SEQUENCES)
    sequences = {gateway.decode(): int(value.split(b":")[0]) for gateway, value in stored.items()}
    return {gateway: sequence for gateway, sequence in sequences.items() if sequence > 0}
