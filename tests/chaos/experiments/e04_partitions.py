"""Silence between each pair of a service and a server, one after the other; then all lines at random, mended in
random order (swizzle-clog)."""

import asyncio

from tests.chaos.scene import Experiment, Scene

PAIR_SECONDS = (1.0, 3.0)
CLOG_SECONDS = (0.0, 8.0)


async def part(scene: Scene) -> None:
    lines = sorted(scene.chaos.lines)
    scene.random.shuffle(lines)
    for line in lines:
        await scene.silence([line], scene.random.uniform(*PAIR_SECONDS))
    clogs = [(line, scene.random.uniform(*CLOG_SECONDS)) for line in lines]
    await asyncio.gather(*(scene.silence([line], seconds) for line, seconds in clogs))


EXPERIMENT = Experiment(
    name="E4",
    title="silent partition of each pair, then swizzle-clog",
    nemesis=part,
    shown_by="an event left in an outbox",
)
