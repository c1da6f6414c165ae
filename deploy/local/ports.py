"""Free ports on the loopback address, chosen once and recorded, so that a second start finds the same system."""

import json
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the kernel's usual range for outgoing connections, one of which could otherwise take a
# server's port while the server restarts.
FIRST, LAST = 20_000, 32_000
PROMISED_SECONDS = 3600.0
"""Who was given a port binds it later, and again after a restart: until then it looks free to everybody else."""
TRIES_MAX = 1000


def free_port() -> int:
    """Nobody listens there, and no other system of this user was given it within the last hour, if there is such a one."""
    for _ in range(TRIES_MAX):
        port = _any_port()
        if is_free(port) and _promise(port):
            return port
    while not is_free(port := _any_port()):
        pass
    return port


def _any_port() -> int:
    return FIRST + secrets.randbelow(LAST - FIRST + 1)


def _promise(port: int) -> bool:
    """False when it is somebody else's."""
    promises = Path(tempfile.gettempdir()) / f"promptly-ports-{os.getuid()}"
    promises.mkdir(mode=0o700, exist_ok=True)
    promise = promises / str(port)
    try:
        promise.touch(exist_ok=False)
    except FileExistsError:
        if time.time() - promise.stat().st_mtime < PROMISED_SECONDS:
            return False
        os.utime(promise)
    return True


def is_free(port: int, address: str = LOOPBACK) -> bool:
    return find_bind_error(port, address) is None


def find_bind_error(port: int, address: str) -> OSError | None:
    """Why a server could not listen there; None when it could."""
    with socket.socket() as probe:
        # A server that has just closed leaves connections in TIME_WAIT; those do not take the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error
        return None


def choose_ports(record: Path, names: Iterable[str]) -> dict[str, int]:
    """The recorded port of each name, or a new one where none is recorded or somebody else took it."""
    recorded: dict[str, int] = json.loads(record.read_text()) if record.exists() else {}
    chosen: dict[str, int] = {}
    for name in names:
        port = recorded.get(name)
        chosen[name] = port if port and is_free(port) else _unused(chosen.values(), recorded.values())
    record.write_text(json.dumps(chosen, indent=2))
    return chosen


def _unused(*taken: Iterable[int]) -> int:
    avoid = {port for ports in taken for port in ports}
    while (port := free_port()) in avoid:
        pass
    return port
