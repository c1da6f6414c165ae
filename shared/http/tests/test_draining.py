"""A process that is asked to stop says so, then takes nobody new, then lets who is there finish."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from shared.http import draining
from shared.http.draining import DrainingServer
from shared.http.shell import Readiness, create_app
from shared.http.waiting_room import WaitingRoom
from tests.support.eventually import eventually
from tests.support.in_process import loopback_socket, url_of

LEAVE_SECONDS = 3.0
"""Long enough here to be looked at, on a busy machine too."""


@dataclass
class Story:
    """A stream that goes on until it is told to end, and what became of the app's own end."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    def app(self) -> FastAPI:
        app = create_app("test", lifespan=self._lifespan, readiness=Readiness())
        app.add_api_route("/stream", self._stream)
        return app

    async def _stream(self) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            yield "begun\n"
            await self.may_end.wait()
            yield "ended\n"

        return StreamingResponse(lines())

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        yield
        self.ended = True


async def test_it_says_so_then_closes_the_door_then_lets_streams_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "LEAVE_SECONDS", LEAVE_SECONDS)
    story, listening = Story(), loopback_socket()
    room = WaitingRoom(story.app)
    server = DrainingServer(uvicorn.Config(room, interface="asgi3", lifespan="on", log_config=None), room)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    url = url_of(listening)
    async with httpx.AsyncClient(base_url=url) as streaming, httpx.AsyncClient(base_url=url) as client:
        await eventually(lambda: _is(client, 200))
        async with streaming.stream("GET", "/stream") as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "begun"
            server.should_exit = True
            await eventually(lambda: _is(client, 503))
            last = await client.get("/health")
            assert (last.status_code, last.headers["connection"]) == (200, "close")
            await eventually(lambda: _refuses(url))
            assert not story.ended
            story.may_end.set()
            assert [line async for line in lines] == ["ended"]
    await running
    assert story.ended


async def _is(client: httpx.AsyncClient, status: int) -> bool:
    reply = await client.get("/ready")
    assert reply.status_code == 200 or reply.json()["missing"] == ["stopping"]
    return reply.status_code == status


async def _refuses(url: str) -> bool:
    try:
        async with httpx.AsyncClient(base_url=url) as newcomer:
            await newcomer.get("/health")
    except (httpx.ConnectError, httpx.RemoteProtocolError):  # the latter: it knocked in the moment of closing
        return True
    return False
