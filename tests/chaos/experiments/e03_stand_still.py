"""Services and servers stand still for 5 s each, and one of them for 45 s: longer than a lease."""

from tests.chaos.scene import Experiment, Scene

STANDING = ("gateway", "metering", "rabbitmq", "redis", "postgres")
SHORT_SECONDS, LONG_SECONDS = 5.0, 45.0


async def freeze(scene: Scene) -> None:
    targets = list(STANDING)
    scene.random.shuffle(targets)
    for target in targets:
        await scene.freeze(target, SHORT_SECONDS)
        await scene.pause(1, 2)
    await scene.freeze(targets[0], LONG_SECONDS)


EXPERIMENT = Experiment(
    name="E3", title="SIGSTOP for 5 s and 45 s", nemesis=freeze, shown_by="a hold that never ends"
)
