"""Every service answers alike: health, readiness that names what is missing, errors with four keys, ids."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI

from shared.errors import Unavailable
from shared.http.shell import Readiness, create_app
from shared.logging import current_request_id

INHERITED_ID = "019a3f6e-7b1a-7c3d-8e2f-0123456789ab"
routes = APIRouter()


@routes.get("/internal/id")
@routes.get("/public/id")
async def tell_id() -> dict[str, str | None]:
    return {"id": current_request_id()}


@routes.get("/unavailable")
async def unavailable() -> None:
    raise Unavailable("The ledger does not answer. Please try again.", retry_after_seconds=3)


@routes.get("/crash")
async def crash() -> None:
    raise RuntimeError("sk-secret and a stack trace")


@routes.get("/number")
async def number(value: int) -> int:
    return value


@asynccontextmanager
async def no_lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


async def answers() -> None:
    return None


async def does_not_answer() -> None:
    raise ConnectionRefusedError


async def is_late() -> None:
    raise TimeoutError


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def client(readiness: Readiness) -> httpx.AsyncClient:
    app = create_app("test", lifespan=no_lifespan, readiness=readiness)
    app.include_router(routes)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_health_says_that_the_process_runs(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).json() == {"status": "ok"}


async def test_ready_names_what_is_missing(client: httpx.AsyncClient, readiness: Readiness) -> None:
    readiness.add("postgres", answers)
    assert (await client.get("/ready")).json() == {"status": "ready"}
    readiness.add("redis", does_not_answer)
    reply = await client.get("/ready")
    assert (reply.status_code, reply.json()) == (503, {"status": "not ready", "missing": ["redis"]})


async def test_what_is_missing_is_logged_when_it_goes_when_it_changes_and_when_it_comes_back(
    client: httpx.AsyncClient, readiness: Readiness
) -> None:
    probes = [does_not_answer, does_not_answer, is_late, is_late, answers, answers, does_not_answer]
    with structlog.testing.capture_logs() as logs:
        for probe in probes:
            readiness.add("redis", probe)
            await client.get("/ready")
    assert [(line["event"], line.get("error")) for line in logs if line.get("part") == "redis"] == [
        ("not_ready", "ConnectionRefusedError"),
        ("not_ready", "TimeoutError"),
        ("ready_again", None),
        ("not_ready", "ConnectionRefusedError"),
    ]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/unknown", 404, "not_found"),
        ("/unavailable", 503, "unavailable"),
        ("/crash", 500, "internal_error"),
        ("/number?value=x", 400, "invalid_request"),
    ],
)
async def test_every_error_is_json_with_four_keys_and_a_request_id(
    client: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    reply = await client.get(path)
    assert reply.status_code == status
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    assert reply.json()["error"]["code"] == code
    assert len(reply.headers["x-request-id"]) == 36
    assert "sk-secret" not in reply.text


async def test_an_error_says_when_to_come_again(client: httpx.AsyncClient) -> None:
    assert (await client.get("/unavailable")).headers["retry-after"] == "3"


async def test_a_wrong_parameter_is_named(client: httpx.AsyncClient) -> None:
    assert (await client.get("/number?value=x")).json()["error"]["param"] == "value"


async def test_an_internal_caller_s_request_id_is_taken_over(client: httpx.AsyncClient) -> None:
    reply = await client.get("/internal/id", headers={"x-request-id": INHERITED_ID})
    assert reply.json() == {"id": INHERITED_ID}
    assert reply.headers["x-request-id"] == INHERITED_ID


async def test_a_stranger_s_request_id_is_not(client: httpx.AsyncClient) -> None:
    reply = await client.get("/public/id", headers={"x-request-id": INHERITED_ID})
    assert reply.json()["id"] == reply.headers["x-request-id"] != INHERITED_ID


async def test_the_log_line_has_the_path_but_no_query(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        await client.get("/public/id?key=sk-secret")
    assert logs[0]["path"] == "/public/id"
    assert "sk-secret" not in json.dumps(logs, default=str)
