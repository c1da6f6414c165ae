"""A process that is told to stop says everything it has to say."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx

from tests.support.eventually import eventually
from tests.support.in_process import loopback_socket

PROGRAM = """
import asyncio
from contextlib import asynccontextmanager
from shared.http.shell import Readiness, create_app
from shared.process import main
from shared.settings import ServiceSettings

@asynccontextmanager
async def nothing(_):
    yield

def build_app(_):
    app = create_app("trial", lifespan=nothing, readiness=Readiness())

    @app.get("/slow")
    async def slow():
        print("begun", flush=True)
        await asyncio.sleep(1)

    return app

main("trial", ServiceSettings, build_app)
"""


async def test_the_last_request_before_the_end_is_in_the_log(tmp_path: Path) -> None:
    with loopback_socket() as free:
        port = free.getsockname()[1]
    log = tmp_path / "log"
    with log.open("wb") as written:
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM),
            env={"PATH": os.environ["PATH"], "INTERNAL_TOKEN": "an-internal-token", "LISTEN_PORT": str(port)},
            stdout=written,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            await eventually(lambda: _serves(client), within_seconds=20)
            last = asyncio.create_task(client.get("/slow"))
            await eventually(lambda: _has(log, "begun"))
            running.send_signal(signal.SIGTERM)
            assert (await last).status_code == 200
        assert await asyncio.wait_for(running.wait(), 10) == 0
    finally:
        if running.returncode is None:
            running.kill()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line != "begun"]
    assert [line["path"] for line in lines if line["event"] == "request"] == ["/slow"]


async def _serves(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health")).status_code == 200
    except httpx.TransportError:
        return False


async def _has(log: Path, text: str) -> bool:
    return text in await asyncio.to_thread(log.read_text)
