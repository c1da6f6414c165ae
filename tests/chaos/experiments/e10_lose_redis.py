"""Redis forgets: emptied while it runs, its file cut short, its file a second old. No gateway dies with it, so
nothing may be lost."""

import asyncio
import shutil
from pathlib import Path

from tests.chaos.rebuild import empty_redis
from tests.chaos.scene import Experiment, Scene

CUT_BYTES = (1, 4000)
COPY_AGE_SECONDS = 1.0
RECOVERS_SECONDS = (6.0, 9.0)


async def lose(scene: Scene) -> None:
    ways = [flush, cut_file_short, take_older_file]
    scene.random.shuffle(ways)
    for way in ways:
        await scene.pause(1, 2)
        await way(scene)
        await scene.pause(*RECOVERS_SECONDS)


async def flush(scene: Scene) -> None:
    async with scene.fault("FLUSHALL", "redis"):
        await empty_redis(scene.chaos)


async def cut_file_short(scene: Scene) -> None:
    async with scene.fault("AOF cut short", "redis"):
        await scene.chaos.kill("redis")
        newest = max(_files(scene).glob("appendonlydir/*.incr.aof"))
        size = newest.stat().st_size
        with newest.open("r+b") as file:
            file.truncate(max(0, size - scene.random.randint(*CUT_BYTES)))
        await scene.chaos.start("redis")


async def take_older_file(scene: Scene) -> None:
    data, copy = _files(scene), _files(scene).with_name("older")
    async with scene.fault("AOF one second old", "redis"):
        await asyncio.to_thread(shutil.copytree, data, copy, dirs_exist_ok=True)
        await asyncio.sleep(COPY_AGE_SECONDS)
        await scene.chaos.kill("redis")
        shutil.rmtree(data)
        shutil.move(copy, data)
        await scene.chaos.start("redis")


def _files(scene: Scene) -> Path:
    return scene.chaos.system.settings.local_dir / "redis" / "data"


EXPERIMENT = Experiment(
    name="E10",
    title="Redis emptied, cut short, a second old",
    nemesis=lose,
    seconds=30,
    shown_by="Redis has more than the ledger; tokens without cover",
)
