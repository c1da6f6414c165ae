"""A Redis of a test's own that can be killed, and come back with, without, or with an older copy of its file."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local import processes
from deploy.local.ports import free_port
from deploy.local.servers import redis as redis_server
from tests.support.eventually import eventually

PASSWORD = "test"
START_SECONDS = 10.0


class MortalRedis:
    """Always at the same `url`. It appends each command to its file before it answers."""

    def __init__(self, home: Path) -> None:
        port = free_port()
        self.url = redis_server.url(port, PASSWORD)
        self._spec = redis_server.prepare(home / "redis", port=port, password=PASSWORD)
        self._copy = home / "copy"
        self._child: processes.Child | None = None

    async def start(self) -> None:
        self._child = child = processes.start(self._spec, marker=self._spec.folder)

        async def is_ready() -> bool:
            return processes.poll_ready(child)

        await eventually(is_ready, within_seconds=START_SECONDS)

    def kill(self) -> None:
        """SIGKILL."""
        if self._child is not None:
            self._child.kill()

    def copy_file(self) -> None:
        shutil.copytree(self._spec.folder, self._copy, dirs_exist_ok=True)

    def lose_file(self) -> None:
        shutil.rmtree(self._spec.folder)
        self._spec.folder.mkdir()

    def take_older_file(self) -> None:
        self.lose_file()
        shutil.copytree(self._copy, self._spec.folder, dirs_exist_ok=True)


@asynccontextmanager
async def running_mortal_redis(home: Path) -> AsyncIterator[MortalRedis]:
    redis = MortalRedis(home)
    await redis.start()
    try:
        yield redis
    finally:
        redis.kill()
