"""How the API stands, as the other services are told."""

import httpx

from services.gateway.tests.conftest import GatewayFactory
from tests.support.upstream_wire import MODEL_NAME

AUTHORIZED = {"authorization": "Bearer an-internal-token"}


async def test_the_loaded_model_is_named_with_what_runs_and_waits(gateway: httpx.AsyncClient) -> None:
    status = (await gateway.get("/internal/status", headers=AUTHORIZED)).json()
    assert status["model"] == MODEL_NAME
    assert status["since"].endswith("Z")
    assert (status["running"], status["waiting"]) == (0, 0)


async def test_without_a_model_server_there_is_no_model(start_gateway: GatewayFactory) -> None:
    gateway = await start_gateway(llama_base_url="http://127.0.0.1:9")
    status = (await gateway.get("/internal/status", headers=AUTHORIZED)).json()
    assert (status["model"], status["since"]) == (None, None)


async def test_only_services_may_ask(gateway: httpx.AsyncClient) -> None:
    assert (await gateway.get("/internal/status")).status_code == 403
