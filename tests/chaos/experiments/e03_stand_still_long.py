"""Each of them stands still for 200 s: beyond every timeout and heartbeat there is."""

from tests.chaos.experiments.e03_stand_still import STANDING
from tests.chaos.scene import Experiment, Scene

LONGEST_SECONDS = 200.0


async def freeze(scene: Scene) -> None:
    await scene.freeze(scene.random.choice(STANDING), LONGEST_SECONDS)
    await scene.pause(2, 4)


EXPERIMENT = Experiment(
    name="E3L",
    title="SIGSTOP for 200 s",
    nemesis=freeze,
    is_long=True,
    shown_by="a hold that never ends",
)
