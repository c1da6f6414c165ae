"""Any ASGI app on a real socket, in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from tests.support.eventually import eventually


def loopback_socket() -> socket.socket:
    """Its port is known before anything listens: two apps may have to know each other."""
    return socket.create_server(("127.0.0.1", 0))


def url_of(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


@asynccontextmanager
async def serving(app: Any, listening: socket.socket) -> AsyncIterator[str]:
    """Its URL. Stopped as a process is: running requests may finish, then the lifespan ends."""
    config = uvicorn.Config(
        app,
        http="httptools",
        lifespan="on",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))

    async def has_started() -> bool:
        return server.started or running.done()

    await eventually(has_started)
    try:
        yield url_of(listening)
    finally:
        server.should_exit = True
        await running
        listening.close()
