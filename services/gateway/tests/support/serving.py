"""Any ASGI app on a real socket, in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from shared.http.gathering import GatheringProtocol
from tests.support.eventually import eventually


async def _has_started(server: uvicorn.Server) -> bool:
    return server.started


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Its URL. Stopped as a process is: running requests may finish, then the lifespan ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=GatheringProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    serving_task = asyncio.create_task(server.serve(sockets=[listening]))
    await eventually(lambda: _has_started(server))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving_task
        listening.close()
