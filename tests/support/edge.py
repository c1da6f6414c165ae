"""The edge of these sources, as a real nginx of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from deploy.local import processes
from deploy.local.ports import free_port
from deploy.local.servers import nginx

SERVERS = ("GATEWAY_SERVER", "ACCOUNTS_SERVER", "BILLING_SERVER")
ADDRESSES = ("127.0.0.1", "127.0.0.2")


@dataclass(frozen=True, slots=True)
class Edge:
    url: str
    logs: Path

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=headers, timeout=10)

    def seen(self, path: str, **headers: str) -> dict[str, Any]:
        """What the server behind it saw of this request."""
        seen: dict[str, Any] = self.get(path, **headers).json()
        return seen


def run_edge(
    folder: Path,
    at: dict[str, str],
    *,
    mail_port: int | None,
    trusted: str = "",
    change: Callable[[str], str] = str,
) -> Iterator[Edge]:
    port = free_port()
    values = {**at, "EDGE_TRUSTED_PROXIES": nginx.trusted_proxies(trusted)}
    spec = nginx.prepare(
        folder, folder / "log", addresses=ADDRESSES, port=port, values=values, mail_port=mail_port
    )
    written = folder / "promptly.conf"
    written.write_text(change(written.read_text()))
    child = processes.start(spec, marker=folder)
    try:
        processes.wait_ready(child)
        yield Edge(f"http://127.0.0.1:{port}", folder / "log")
    finally:
        child.stop()
