"""Each service in turn is killed at a random moment, and comes back."""

from tests.chaos.scene import Experiment, Scene

SERVICES = ("gateway", "metering", "accounts", "gateway-2", "billing", "notifier")


async def kill_each(scene: Scene) -> None:
    services = list(SERVICES)
    scene.random.shuffle(services)
    for service in services:
        await scene.pause(0.5, 2.0)
        await scene.crash(service, down_seconds=scene.random.uniform(0, 1.5))


EXPERIMENT = Experiment(
    name="E1",
    title="kill -9 of each service at random",
    nemesis=kill_each,
    shown_by="a generation without a row",
)
