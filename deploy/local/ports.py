"""Free ports on the loopback address, chosen once and recorded, so that a second start finds the same system."""

import json
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the kernel's usual range for outgoing connections, one of which could otherwise take a
# server's port while the server restarts.
FIRST, LAST = 20_000, 32_000


def free_port() -> int:
    while not is_free(port := FIRST + secrets.randbelow(LAST - FIRST + 1)):
        pass
    return port


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
