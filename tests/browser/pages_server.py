"""accounts on a port of its own, among stand-ins: for pages in states that a story would take long to reach."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from deploy.local.ports import free_port
from services.accounts.app import build_app
from services.accounts.settings import AccountsSettings
from tests.support.eventually import eventually


@asynccontextmanager
async def pages_at(port: int, settings: AccountsSettings) -> AsyncIterator[str]:
    config = uvicorn.Config(build_app(settings), port=port, log_config=None, ws="none", proxy_headers=False)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    try:
        await eventually(started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


def a_free_port() -> int:
    return free_port()
