"""A service that starts before its database answers /health, names what is missing, and then serves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from shared.errors import PartMissing
from shared.http import waiting_room
from shared.http.waiting_room import WaitingRoom
from tests.support.eventually import eventually
from tests.support.lifespan import living


class NoDatabase(PartMissing):
    part = "postgres"


class Service:
    """`is_there`: what its app needs to start. `stopped`: how often its app has."""

    def __init__(self, *, is_there: bool, error: Exception | None = None) -> None:
        self.is_there = is_there
        self.error = error or NoDatabase("PostgreSQL does not answer.")
        self.stopped = 0

    def build(self) -> FastAPI:
        app = FastAPI(lifespan=self._lifespan)
        app.add_api_route("/ready", lambda: {"status": "ready"})
        return app

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        if not self.is_there:
            raise self.error
        yield
        self.stopped += 1


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_room, "RETRY_SECONDS", 0.02)


def client_of(app: WaitingRoom) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


async def answers(client: httpx.AsyncClient, path: str) -> tuple[int, object]:
    reply = await client.get(path)
    return reply.status_code, reply.json()


def is_ready(client: httpx.AsyncClient) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return (await client.get("/ready")).status_code == 200

    return ready


async def test_a_service_waits_for_what_it_needs_and_then_serves() -> None:
    service = Service(is_there=False)
    room = WaitingRoom(service.build)
    async with living(room), client_of(room) as client:
        assert await answers(client, "/health") == (200, {"status": "ok"})
        status, body = await answers(client, "/ready")
        assert status == 503
        assert body == {
            "status": "not ready",
            "missing": ["postgres"],
            "reason": "PostgreSQL does not answer.",
        }
        refused = await client.get("/v1/models")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"]["code"] == "starting"
        service.is_there = True
        await eventually(is_ready(client), 2)
    assert service.stopped == 1


async def test_a_service_that_has_all_it_needs_serves_at_once() -> None:
    service = Service(is_there=True)
    room = WaitingRoom(service.build)
    async with living(room), client_of(room) as client:
        assert await answers(client, "/ready") == (200, {"status": "ready"})
    assert service.stopped == 1


async def test_a_service_that_still_waits_can_be_stopped() -> None:
    async with living(WaitingRoom(Service(is_there=False).build)):
        pass


async def test_a_fault_that_waiting_cannot_mend_ends_the_start() -> None:
    room = WaitingRoom(Service(is_there=False, error=RuntimeError("a bug")).build)
    with pytest.raises(RuntimeError, match="a bug"):
        async with living(room):
            pass
