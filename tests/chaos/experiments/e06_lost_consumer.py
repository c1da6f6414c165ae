"""A work queue is deleted under its consumer, as an operator or a broker's timeout may: the consumer notices, makes
it again, and what was in it is sent again from the outboxes and the settlement streams. The numbers of batches that
were in it are then given up, or no account that Redis loses would open for a day."""

import asyncio
from functools import partial

import asyncpg
from aio_pika.abc import AbstractChannel

from tests.chaos.experiments.e05_restart_rabbitmq import all_consume
from tests.chaos.history import now
from tests.chaos.load.crowd import Size
from tests.chaos.quiet import until_quiet
from tests.chaos.replay import run_command, run_replay_commands, with_channel
from tests.chaos.scene import Experiment, Scene
from tests.chaos.system import Chaos

QUEUES = ("metering.work", "notifier.work", "billing.work")
WAITS_SECONDS = 1.5
GIVEN_UP_WITHIN_SECONDS = 150.0
"""Metering tells of a batch that is missing for 60 s, and gives up none before."""
TRY_AGAIN_SECONDS = 5.0


async def delete_queues(scene: Scene) -> None:
    for queue in QUEUES:
        await scene.pause(2, 4)
        async with scene.fault("queue deleted", queue):
            await with_channel(scene.chaos, partial(_delete, queue))
    await scene.pause(2, 4)
    await lose_what_waits(scene, QUEUES[0])


async def lose_what_waits(scene: Scene, queue: str) -> None:
    """Usage gathers in the queue, for nobody hears it, and goes with it: the broker had confirmed it."""
    line = scene.chaos.lines["metering>rabbitmq"]
    async with scene.fault("queue deleted with what waited in it", queue):
        line.cut()
        await asyncio.sleep(WAITS_SECONDS)
        await with_channel(scene.chaos, partial(_delete, queue))
        line.mend()


async def _delete(queue: str, channel: AbstractChannel) -> None:
    await channel.queue_delete(queue)


async def consume_and_replay(scene: Scene) -> None:
    await all_consume(scene)
    await run_replay_commands(scene.chaos)
    await until_quiet(scene.chaos, scene.crowd.accounts)
    deadline = now() + GIVEN_UP_WITHIN_SECONDS
    while await _misses_batches(scene.chaos) and now() < deadline:
        await run_command(scene.chaos, "metering", "give-up-batches")
        await asyncio.sleep(TRY_AGAIN_SECONDS)


async def _misses_batches(chaos: Chaos) -> bool:
    connection = await asyncpg.connect(chaos.backing.postgres)
    try:
        return bool(
            await connection.fetchval("SELECT count(*) FROM metering.gateways WHERE gap_from IS NOT NULL")
        )
    finally:
        await connection.close()


EXPERIMENT = Experiment(
    name="E6",
    title="a queue is deleted under its consumer",
    nemesis=delete_queues,
    after=consume_and_replay,
    harms_serving=False,
    size=Size(),
    shown_by="a generation without a row; a key without a mail",
)
