"""PostgreSQL crashes again and again, without a checkpoint; it recovers from its log."""

from tests.chaos.scene import Experiment, Scene

TIMES = 3


async def crash(scene: Scene) -> None:
    for _ in range(TIMES):
        await scene.pause(1.0, 3.0)
        await scene.crash("postgres", down_seconds=scene.random.uniform(0, 2))
        await scene.pause(1.0, 3.0)


EXPERIMENT = Experiment(
    name="E17",
    title="PostgreSQL crashes again and again",
    nemesis=crash,
    harms_serving=False,
    shown_by="an acknowledged webhook that nobody has",
)
