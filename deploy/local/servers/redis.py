"""A private Redis that keeps what it acknowledged: append-only file on, nothing is ever evicted."""

from pathlib import Path
from urllib.parse import quote

from deploy.local import probes
from deploy.local.processes import ProcessSpec
from deploy.local.programs import get_program

# What the compose files and the containers of the tests give their Redis too.
DURABLE = (
    "--appendonly",
    "yes",
    "--appendfsync",
    "everysec",
    "--maxmemory-policy",
    "noeviction",
    "--save",
    "",
    # At 64 MB, its default, thousands of requests per second have it written anew every ten seconds, for one each.
    "--auto-aof-rewrite-min-size",
    "256mb",
)


def url(port: int, password: str) -> str:
    return f"redis://:{quote(password, safe='')}@127.0.0.1:{port}/0"


def prepare(folder: Path, *, port: int, password: str) -> ProcessSpec:
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    secret = folder / "redis.conf"  # a password among the arguments would show in the process list
    secret.touch(mode=0o600)
    secret.write_text(f'requirepass "{password}"\n')
    network = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(data))
    return ProcessSpec(
        name="redis",
        argv=(str(get_program("redis-server", server="Redis")), str(secret), *network, *DURABLE),
        folder=data,
        log=folder.parent / "log" / "redis.log",
        is_ready=lambda: probes.redis_answers(url(port, password)),
        port=port,
    )
