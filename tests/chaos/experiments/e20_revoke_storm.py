"""Many keys are made, used and revoked at once, while Redis and accounts stumble."""

import asyncio

from tests.chaos.load.crowd import Size
from tests.chaos.scene import Experiment, Scene

REVOKERS = 8
SECONDS = 14.0


async def storm(scene: Scene) -> None:
    async def revoke() -> None:
        while not scene.crowd.is_over.is_set():
            await scene.crowd.people.revoke()

    storming = [asyncio.create_task(revoke()) for _ in range(REVOKERS)]
    await asyncio.sleep(SECONDS)
    await scene.crash("redis", down_seconds=0.2)
    await scene.crash("accounts", down_seconds=0.2)
    await asyncio.sleep(SECONDS / 4)
    scene.crowd.is_over.set()
    await asyncio.gather(*storming)


EXPERIMENT = Experiment(
    name="E20",
    title="revoke storm",
    nemesis=storm,
    size=Size(clients=6, sells=False),
    shown_by="a revoked key that is let in",
)
