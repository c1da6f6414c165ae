"""RabbitMQ is killed again and again; after each time every queue must have its consumer again."""

import asyncio

from tests.chaos.history import now
from tests.chaos.quiet import count_consumers
from tests.chaos.scene import Experiment, Scene

TIMES = 3
CONSUMED_WITHIN_SECONDS = 60.0


async def restart(scene: Scene) -> None:
    for _ in range(TIMES):
        await scene.pause(1.0, 3.0)
        await scene.crash("rabbitmq", down_seconds=scene.random.uniform(0, 2))


async def all_consume(scene: Scene) -> None:
    deadline = now() + CONSUMED_WITHIN_SECONDS
    while not all((await count_consumers(scene.chaos)).values()):
        if now() > deadline:
            scene.found("I10", f"a queue has no consumer: {await count_consumers(scene.chaos)}")
            return
        await asyncio.sleep(0.5)


EXPERIMENT = Experiment(
    name="E5",
    title="RabbitMQ is killed again and again",
    nemesis=restart,
    after=all_consume,
    harms_serving=False,
    shown_by="an event left in an outbox",
)
