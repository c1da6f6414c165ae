"""Clients hang up at every byte of a stream, one client for each."""

import asyncio

from tests.chaos.http_client import Leaves
from tests.chaos.load.asking import CHAT, RESPONSES, Question, ask
from tests.chaos.load.crowd import Size
from tests.chaos.scene import Experiment, Scene
from tests.chaos.specs import GATEWAYS
from tests.chaos.upstream import Order

BYTES_MAX = 2200
"""Of a stream of three tokens; a shorter one is heard to its end."""
STEP_BYTES = 3
"""Each third byte, which ones the seed decides."""
AT_ONCE = 16


async def leave_at_each_byte(scene: Scene) -> None:
    at_once = asyncio.Semaphore(AT_ONCE)
    first = scene.random.randint(1, STEP_BYTES)

    async def leave(after_bytes: int) -> None:
        async with at_once:
            account = scene.crowd.accounts[after_bytes % len(scene.crowd.accounts)]
            words = account.next_number()
            order = Order(f"{account.account_id}-{words}", tokens=3, pace_ms=5)
            api = CHAT if after_bytes % 2 else RESPONSES
            question = Question(order, words, api=api, leaves=Leaves(after_bytes=after_bytes))
            gateway = GATEWAYS[after_bytes % len(GATEWAYS)]
            await ask(scene.history, gateway, scene.chaos.url(gateway), account, question)

    async with scene.fault("disconnects at each byte", "clients"):
        await asyncio.gather(*(leave(at) for at in range(first, BYTES_MAX, STEP_BYTES)))


EXPERIMENT = Experiment(
    name="E13",
    title="disconnects at every byte of a stream",
    nemesis=leave_at_each_byte,
    harms_serving=False,
    size=Size(clients=4, poor=0, sells=False),
    shown_by="a generation without a row",
)
