"""The secret sweep: after a run with everything in it, no key, secret or prompt lies anywhere in clear."""

from tests.chaos.scene import Experiment, Scene
from tests.chaos.sweep import sweep


async def search(scene: Scene) -> None:
    for leak in await sweep(scene.chaos):
        scene.found("I15", leak)


async def crash(scene: Scene) -> None:
    """Crashes leave more behind than orderly ends do."""
    await scene.pause(3, 6)
    await scene.crash("accounts")
    await scene.crash("notifier")
    await scene.pause(2, 3)


EXPERIMENT = Experiment(
    name="E19",
    title="secret sweep over tables, WAL, queues, AOF, logs, mail spool",
    nemesis=crash,
    after=search,
    harms_serving=False,
    shown_by="a secret in a log",
)
