"""Which upstreams are there: who cannot be reached is passed over, who comes back is used, none is not ready."""

from typing import Any

import pytest

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED
from services.gateway.use_cases import upstream_pool
from tests.support.eventually import eventually
from tests.support.upstream import StandInUpstream, running_upstream

NOWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_an_unreachable_upstream_is_passed_over_and_counts_as_down(
    body: dict[str, Any], start_gateway: GatewayFactory, account: Account, upstream: StandInUpstream
) -> None:
    gateway = await start_gateway(llama_base_url=f"{NOWHERE},{upstream.url}")
    for _ in range(2):
        reply = await gateway.post(CHAT, json=body, headers=account.headers)
        assert reply.status_code == 200
    assert (await gateway.get("/ready")).status_code == 200
    assert (await gateway.get("/v1/models", headers=account.headers)).status_code == 200


async def test_an_upstream_that_comes_back_is_used_again(
    start_gateway: GatewayFactory, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_pool, "HEALTH_INTERVAL_SECONDS", 0.02)
    async with running_upstream() as first:
        port = first.port
    async with running_upstream() as other:
        gateway = await start_gateway(llama_base_url=f"http://127.0.0.1:{port},{other.url}")
        assert (await gateway.post(CHAT, json=QUESTION, headers=account.headers)).status_code == 200
        async with running_upstream(port) as first:

            async def is_used() -> bool:
                await gateway.post(CHAT, json=QUESTION, headers=account.headers)
                return bool(first.generations)

            await eventually(is_used)


async def test_ready_needs_one_healthy_upstream(
    start_gateway: GatewayFactory, upstream: StandInUpstream
) -> None:
    gateway = await start_gateway(llama_base_url=f"{NOWHERE},http://127.0.0.1:2")
    reply = await gateway.get("/ready")
    assert (reply.status_code, "upstream" in reply.json()["missing"]) == (503, True)
