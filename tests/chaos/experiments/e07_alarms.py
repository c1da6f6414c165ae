"""RabbitMQ raises its memory alarm, then its disk alarm: publishers are blocked, consumers are not. What waits
leaves afterwards; answers go on."""

import asyncio

from tests.chaos.rabbitmqctl import rabbitmqctl
from tests.chaos.scene import Experiment, Scene

ALARM_SECONDS = 12.0


async def raise_alarms(scene: Scene) -> None:
    await scene.pause(1, 2)
    async with scene.fault("memory alarm", "rabbitmq"):
        await rabbitmqctl(scene.chaos, "set_vm_memory_high_watermark", "0.0000001")
        await asyncio.sleep(ALARM_SECONDS)
        await rabbitmqctl(scene.chaos, "set_vm_memory_high_watermark", "0.6")
    await scene.pause(1, 2)
    async with scene.fault("disk alarm", "rabbitmq"):
        await rabbitmqctl(scene.chaos, "set_disk_free_limit", str(10**14))
        await asyncio.sleep(ALARM_SECONDS)
        await rabbitmqctl(scene.chaos, "set_disk_free_limit", str(50 * 10**6))


EXPERIMENT = Experiment(
    name="E7",
    title="memory and disk alarm of RabbitMQ",
    nemesis=raise_alarms,
    harms_serving=False,
    shown_by="an event left in an outbox",
)
