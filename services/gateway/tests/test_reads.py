"""Models and balance: what a key's holder may see, also when nothing is left to spend."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, open_account
from services.gateway.use_cases import list_models
from shared.admission.mirror import Snapshot, write_mirror
from tests.support.upstream_wire import CONTEXT_TOKENS, CREATED, MODEL_NAME, MODELS

SHOWN = {
    "id": MODEL_NAME,
    "object": "model",
    "created": CREATED,
    "owned_by": "promptly",
    "context_length": CONTEXT_TOKENS,
}


async def get(gateway: httpx.AsyncClient, path: str, account: Account) -> tuple[int, Any]:
    reply = await gateway.get(path, headers=account.headers)
    return reply.status_code, reply.json()


async def test_models_are_rebuilt_and_show_no_path(gateway: httpx.AsyncClient, account: Account) -> None:
    assert await get(gateway, "/v1/models", account) == (200, {"object": "list", "data": [SHOWN]})
    assert await get(gateway, f"/v1/models/{MODEL_NAME}", account) == (200, SHOWN)


async def test_a_models_date_does_not_change_with_the_day_it_is_asked_for(
    start_gateway: GatewayFactory, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_models, "FRESH_SECONDS", 0)
    gateway = await start_gateway()
    await get(gateway, "/v1/models", account)
    monkeypatch.setitem(MODELS["data"][0], "created", CREATED + 60)
    assert await get(gateway, f"/v1/models/{MODEL_NAME}", account) == (200, SHOWN)


async def test_a_model_that_is_not_loaded_is_404(gateway: httpx.AsyncClient, account: Account) -> None:
    status, body = await get(gateway, "/v1/models/gpt-4o", account)
    assert (status, body["error"]["code"]) == (404, "model_not_found")


async def test_reads_need_a_key(gateway: httpx.AsyncClient) -> None:
    for path in ("/v1/models", f"/v1/models/{MODEL_NAME}", "/v1/balance"):
        assert (await gateway.get(path)).status_code == 401


async def test_reads_work_at_zero_balance(gateway: httpx.AsyncClient, redis: Redis) -> None:
    poor = await open_account(redis, tokens=0)
    assert (await get(gateway, "/v1/models", poor))[0] == 200
    status, balance = await get(gateway, "/v1/balance", poor)
    nothing = {"available": 0, "paid": 0, "trial": 0, "trial_expires_at": None, "held": 0, "debt": 0}
    assert (status, balance) == (200, nothing)


async def test_a_trial_is_shown_with_its_end(
    gateway: httpx.AsyncClient, redis: Redis, account: Account
) -> None:
    ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=7)
    grant = ("trial", 500, int(ends_at.timestamp() * 1000))
    await write_mirror(redis, account.account_id, Snapshot(2, 1000, (grant,)), {})
    _, balance = await get(gateway, "/v1/balance", account)
    assert (balance["available"], balance["paid"], balance["trial"]) == (1500, 1000, 500)
    assert balance["trial_expires_at"] == ends_at.isoformat().replace("+00:00", "Z")
