"""Bindings are removed while events are published. Nobody puts them back but the system itself, within half a minute;
what reached only the other one of two queues meanwhile is published again."""

from functools import partial

from aio_pika.abc import AbstractChannel

from shared.bus.topology import TOPOLOGY
from tests.chaos.replay import run_replay_commands, with_channel
from tests.chaos.scene import Experiment, Scene

REMOVED = (
    ("metering.work", "gateway.usage_recorded.v1"),
    ("notifier.work", "accounts.key_issued.v1"),
    ("metering.work", "accounts.account_registered.v1"),
    ("notifier.work", "billing.purchase_completed.v1"),
)
"""The first two have one queue each, so that nothing routes them; the last two still reach another."""


async def remove_bindings(scene: Scene) -> None:
    for queue, key in REMOVED:
        await scene.pause(1, 3)
        async with scene.fault("binding removed", f"{queue} {key}"):
            await with_channel(scene.chaos, partial(_unbind, queue, key))


async def _unbind(queue: str, key: str, channel: AbstractChannel) -> None:
    found = await channel.get_queue(queue, ensure=False)
    await found.unbind(TOPOLOGY.exchange, key)


async def publish_again(scene: Scene) -> None:
    await run_replay_commands(scene.chaos)


EXPERIMENT = Experiment(
    name="E8",
    title="a binding is removed",
    nemesis=remove_bindings,
    after=publish_again,
    harms_serving=False,
    seconds=45,
    shown_by="a key without a mail; an event left in an outbox",
)
