"""Redis is killed again and again under load, and comes back with its file."""

from tests.chaos.scene import Experiment, Scene

TIMES = 3


async def kill(scene: Scene) -> None:
    for _ in range(TIMES):
        await scene.pause(1.0, 3.0)
        await scene.crash("redis", down_seconds=scene.random.uniform(0, 1))
        await scene.pause(2.0, 4.0)


EXPERIMENT = Experiment(
    name="E9",
    title="kill -9 of Redis, again and again",
    nemesis=kill,
    shown_by="Redis has more than the ledger",
)
