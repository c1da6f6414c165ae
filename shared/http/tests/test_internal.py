"""Internal routes need the internal token; a service that does not answer is one clear error."""

import httpx
import pytest
from fastapi import Depends, FastAPI
from pydantic import SecretStr

from shared.errors import Unavailable
from shared.http.internal import InternalClient
from shared.http.internal_token import NotInternal, require_internal_token
from shared.http.request_log import HEADER
from shared.logging import bind_ids

NEW, OLD = SecretStr("new-token"), SecretStr("old-token")


def service(accepted: tuple[SecretStr, ...]) -> FastAPI:
    app = FastAPI(dependencies=[Depends(require_internal_token(accepted))])

    @app.get("/internal/echo")
    async def echo() -> dict[str, str]:
        return {"status": "ok"}

    return app


def client_of(app: FastAPI, token: SecretStr) -> InternalClient:
    client = InternalClient("http://service", (token,))
    client._http._transport = httpx.ASGITransport(app)
    return client


async def test_both_tokens_are_accepted_while_one_is_rotated() -> None:
    for token in (NEW, OLD):
        async with client_of(service((NEW, OLD)), token) as client:
            assert (await client.get("/internal/echo")).status_code == 200


async def test_a_wrong_token_is_refused() -> None:
    async with client_of(service((NEW,)), OLD) as client:
        with pytest.raises(NotInternal):
            await client.get("/internal/echo")


async def test_a_service_that_does_not_answer_is_unavailable() -> None:
    async with InternalClient("http://127.0.0.1:1", (NEW,)) as client:
        with pytest.raises(Unavailable):
            await client.get("/internal/echo")


async def test_the_request_id_is_handed_on() -> None:
    bind_ids("019a3f6e-7b1a-7c3d-8e2f-0123456789ab", None)
    async with client_of(service((NEW,)), NEW) as client:
        reply = await client.get("/internal/echo")
    assert reply.request.headers[HEADER] == "019a3f6e-7b1a-7c3d-8e2f-0123456789ab"
