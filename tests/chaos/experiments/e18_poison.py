"""Poison among the messages: no JSON, no event, an unknown type, another version; and then everything that was ever
published, doubled and shuffled. Only the poison is set aside, and nothing changes twice."""

import json
from functools import partial
from typing import Any

from aio_pika import DeliveryMode, Message

from shared.bus.topology import TOPOLOGY
from shared.clock import utc_now
from shared.ids import new_uuid7
from tests.chaos.quiet import count_messages, until_quiet
from tests.chaos.replay import differences, replay_all, totals, with_channel
from tests.chaos.scene import Experiment, Scene

QUEUES = ("metering.work", "notifier.work", "billing.work")


def _event(kind: str, data: Any) -> bytes:
    head = {"specversion": "1.0", "id": str(new_uuid7()), "source": "chaos", "type": kind}
    return json.dumps({**head, "time": utc_now().isoformat(), "data": data}).encode()


def poisons() -> list[bytes]:
    return [
        b"",
        b"\xff\xfe no JSON",
        b"[1, 2",
        b"{}",
        _event("gateway.usage_recorded.v1", {"gateway": 5}),
        _event(
            "gateway.usage_recorded.v1", {"gateway": "g", "sequence": 1, "records": [{"request_id": "no"}]}
        ),
        _event("accounts.account_registered.v1", {}),
        _event("accounts.account_registered.v99", {"account_id": "Ab3dEf7h"}),
        _event("billing.purchase_completed.v1", {"tokens": -1}),
        _event("nobody.knows.v1", {}),
    ]


async def poison(scene: Scene) -> None:
    for queue in QUEUES:
        await scene.pause(1, 2)
        async with scene.fault("poison", queue):
            await with_channel(scene.chaos, partial(_send, queue))


async def _send(queue: str, channel: Any) -> None:
    for body in poisons():
        message = Message(body, delivery_mode=DeliveryMode.PERSISTENT, message_id=str(new_uuid7()))
        await channel.default_exchange.publish(message, queue, timeout=10)


async def replay(scene: Scene) -> None:
    """The poison must be parked, all of it and nothing else; it is then taken away."""
    parked = {
        name: many for name, many in (await count_messages(scene.chaos)).items() if name.endswith(".parked")
    }
    if any(many != len(poisons()) for many in parked.values()):
        scene.found("I10", f"{len(poisons())} poisons each, and parked are {parked}")
    for service in TOPOLOGY.bindings:
        name = TOPOLOGY.parked_queue(service)
        await with_channel(scene.chaos, partial(_purge, name))
    await until_quiet(scene.chaos, scene.crowd.accounts)
    before = await totals(scene.chaos)
    await replay_all(scene.chaos, scene.random)
    await until_quiet(scene.chaos, scene.crowd.accounts)
    for difference in differences(before, await totals(scene.chaos)):
        scene.found("I11", difference)


async def _purge(name: str, channel: Any) -> None:
    await (await channel.get_queue(name, ensure=False)).purge()


EXPERIMENT = Experiment(
    name="E18",
    title="poison, then every event again, doubled and shuffled",
    nemesis=poison,
    after=replay,
    harms_serving=False,
    shown_by="a replay that changes something; an event left in an outbox",
)
