"""A work queue is deleted under its consumer, as an operator or a broker's timeout may: the consumer notices, makes
it again, and what was in it is sent again from the outboxes and the settlement streams."""

from functools import partial

from aio_pika.abc import AbstractChannel

from tests.chaos.experiments.e05_restart_rabbitmq import all_consume
from tests.chaos.load.crowd import Size
from tests.chaos.replay import run_replay_commands, with_channel
from tests.chaos.scene import Experiment, Scene

QUEUES = ("metering.work", "notifier.work", "billing.work")


async def delete_queues(scene: Scene) -> None:
    for queue in QUEUES:
        await scene.pause(2, 4)
        async with scene.fault("queue deleted", queue):
            await with_channel(scene.chaos, partial(_delete, queue))


async def _delete(queue: str, channel: AbstractChannel) -> None:
    await channel.queue_delete(queue)


async def consume_and_replay(scene: Scene) -> None:
    await all_consume(scene)
    await run_replay_commands(scene.chaos)


EXPERIMENT = Experiment(
    name="E6",
    title="a queue is deleted under its consumer",
    nemesis=delete_queues,
    after=consume_and_replay,
    harms_serving=False,
    size=Size(),
    shown_by="a generation without a row; a key without a mail",
)
