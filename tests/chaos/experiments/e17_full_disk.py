"""The disk of PostgreSQL's log is full for a while: it stops, and nothing was acknowledged that was not written. With
room again, and started again, all goes on by itself."""

import asyncio

from tests.chaos.scene import Experiment, Scene
from tests.chaos.small_disk import fill, make_room

FULL_SECONDS = 8.0


async def fill_it(scene: Scene) -> None:
    disk = scene.chaos.postgres_disk
    if disk is None:
        scene.not_reached.append("no tmpfs can be mounted here: run it as root")
        return
    await scene.pause(1, 3)
    async with scene.fault("disk full", "postgres"):
        await asyncio.to_thread(fill, disk)
        await asyncio.sleep(FULL_SECONDS)
        await asyncio.to_thread(make_room, disk)
        await scene.chaos.start("postgres")
    await scene.pause(2, 4)


EXPERIMENT = Experiment(
    name="E17D",
    title="PostgreSQL's disk is full",
    nemesis=fill_it,
    harms_serving=False,
    shown_by="an acknowledged webhook that nobody has; a registration that nobody has",
)
