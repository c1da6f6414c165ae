"""A little of everything at once, for every test run: accounts and metering die, replies are lost, Redis forgets.

No gateway dies: with Redis gone in the same minute, what it had delivered would be lost, as is said of that bound."""

import asyncio

from tests.chaos.experiments.e10_lose_redis import flush
from tests.chaos.load.crowd import Size
from tests.chaos.scene import Experiment, Scene

LOST = (
    ("gateway>redis", b"EVALSHA"),
    ("metering>postgres", b"COMMIT"),
    ("billing>postgres", b"COMMIT"),
    ("notifier>smtp", b"\r\n.\r\n"),
)


async def mix(scene: Scene) -> None:
    await scene.pause(1, 2)
    await scene.crash("accounts", down_seconds=0.2)
    await asyncio.gather(*(scene.lose_reply(line, question) for line, question in LOST))
    await scene.crash_at("metering", "committed")
    await flush(scene)
    await scene.pause(3, 4)


EXPERIMENT = Experiment(
    name="E0",
    title="a medley: accounts and metering die, replies are lost, Redis is emptied",
    nemesis=mix,
    size=Size(accounts=6, clients=10),
    seconds=12,
    shown_by="a generation without a row; tokens without cover; Redis has more than the ledger",
)
