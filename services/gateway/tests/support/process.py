"""The gateway as it is deployed: a process of its own, told by its environment."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from services.gateway.settings import GatewaySettings
from tests.support.eventually import eventually


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    process: asyncio.subprocess.Process
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        return str(self.client.base_url).rstrip("/")

    async def is_ready(self) -> bool:
        try:
            return (await self.client.get("/ready")).status_code == 200
        except httpx.TransportError:
            return False


@asynccontextmanager
async def running_process(settings: GatewaySettings, log: Path) -> AsyncIterator[GatewayProcess]:
    """Ready; what it writes goes to `log`. Killed at the end unless it has stopped."""
    port = _free_port()
    with log.open("wb") as written:
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.gateway"),
            env=_environment_of(settings, port),
            stdout=written,
            stderr=asyncio.subprocess.STDOUT,
        )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        running = GatewayProcess(started, client)
        try:
            await eventually(running.is_ready, within_seconds=20)
            yield running
        finally:
            if started.returncode is None:
                started.kill()
                await started.wait()


def _environment_of(settings: GatewaySettings, port: int) -> dict[str, str]:
    values = {
        name.upper(): _text_of(value)
        for name, value in settings.model_dump(exclude={"trusted_proxies", "internal_token"}).items()
    }
    ours = {"INTERNAL_TOKEN": "an-internal-token", "LISTEN_PORT": str(port), "LOG_LEVEL": "debug"}
    return {"PATH": os.environ["PATH"]} | values | ours


def _text_of(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
