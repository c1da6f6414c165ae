"""Three Redis masters that share the slots, and a small client that sends each script to the master of its keys.

What a cluster costs the product is this router: the scripts and their names are those of one Redis."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from redis.asyncio import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from deploy.local import probes, processes
from deploy.local.ports import free_port
from deploy.local.processes import ProcessSpec
from deploy.local.programs import get_program
from shared.admission import lua
from shared.admission.lua import Call, Scripts
from shared.redis_client import open_redis
from tests.support.eventually import eventually

MASTERS = 3
SHARE = -(-REDIS_CLUSTER_HASH_SLOTS // MASTERS)


class Cluster(Redis):
    """`masters` in the order of their slots. Everything with a key goes to the master of its slot."""

    def __init__(self, masters: Sequence[Redis]) -> None:
        super().__init__()
        self.masters = masters
        lua._scripts[self] = RoutedScripts(self)

    def master_of(self, key: str) -> Redis:
        return self.masters[key_slot(key.encode()) // SHARE]

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await self.master_of(args[1]).execute_command(*args, **options)  # type: ignore[no-untyped-call]

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        for master in self.masters:
            await master.aclose(close_connection_pool)

    async def initialize(self) -> Self:
        """It has no connection of its own."""
        return self

    async def meet(self) -> None:
        """Divides the slots and waits until every master knows all of them."""
        first = self.masters[0]
        where = first.connection_pool.connection_kwargs
        bus_port = str((await first.config_get("cluster-port"))["cluster-port"])
        for place, master in enumerate(self.masters):
            last = min((place + 1) * SHARE, REDIS_CLUSTER_HASH_SLOTS) - 1
            await _order(master, "ADDSLOTSRANGE", place * SHARE, last)
            await _order(master, "MEET", where["host"], where["port"], bus_port)
        await eventually(self._is_whole, within_seconds=20)

    async def _is_whole(self) -> bool:
        states = [await _order(master, "INFO") for master in self.masters]
        whole = {"cluster_state": "ok", "cluster_known_nodes": str(MASTERS)}
        return all(whole.items() <= _fields(state).items() for state in states)


class RoutedScripts(Scripts):
    """Each master has scripts of its own, for each has an epoch of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def run_each(self, *calls: Call) -> list[Any]:
        places: defaultdict[Redis, list[int]] = defaultdict(list)
        for place, call in enumerate(calls):
            places[self._cluster.master_of(call.keys[0])].append(place)
        replies: dict[int, Any] = {}
        for master, at in places.items():
            answered = await lua.run_each(master, *(calls[place] for place in at))
            replies.update(zip(at, answered, strict=True))
        return [replies[place] for place in range(len(calls))]


@contextmanager
def running_masters() -> Iterator[list[str]]:
    """Their URLs. Before `Cluster.meet` they know nothing of each other."""
    with tempfile.TemporaryDirectory(prefix="promptly-cluster-") as folder, ExitStack() as running:
        ports = [free_port() for _ in range(MASTERS)]
        for port in ports:
            child = processes.start(_master(Path(folder) / str(port), port), marker=Path(folder))
            running.callback(child.stop)
            processes.wait_ready(child)
        yield [f"redis://127.0.0.1:{port}/0" for port in ports]


def open_cluster(urls: Sequence[str]) -> Cluster:
    return Cluster([open_redis(url) for url in urls])


def _master(folder: Path, port: int) -> ProcessSpec:
    folder.mkdir()
    program = str(get_program("redis-server", server="Redis"))
    network = ("--bind", "127.0.0.1", "--port", str(port), "--cluster-port", str(free_port()))
    kept = ("--cluster-enabled", "yes", "--save", "", "--dir", str(folder))
    url = f"redis://127.0.0.1:{port}/0"
    return ProcessSpec(
        name=f"redis-{port}",
        argv=(program, *network, *kept),
        folder=folder,
        log=folder / "redis.log",
        is_ready=lambda: probes.redis_answers(url),
        port=port,
    )


async def _order(master: Redis, *words: str | int) -> Any:
    return await master.execute_command("CLUSTER", *words)  # type: ignore[no-untyped-call]


def _fields(info: Any) -> dict[str, str]:
    if isinstance(info, dict):  # redis-py reads it itself
        return {str(name): str(value) for name, value in info.items()}
    return dict(line.split(":", 1) for line in info.decode().split() if ":" in line)
