"""Every /v1 answer has its request id, and says what is left of the rate: of the key, or of the address."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, new_account, open_account
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED
from shared.admission.keys import AccountKeys
from tests.support.upstream import Script, StandInUpstream

RATE = ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")
BROKEN = (500, {"code": 500, "message": "gave up", "type": "server_error"})


@dataclass(frozen=True)
class Wrong:
    status: int
    path: str = CHAT
    method: str = "POST"
    body: dict[str, Any] = field(default_factory=lambda: QUESTION)
    content: bytes | None = None
    script: Script = field(default_factory=Script)


WRONG = (
    Wrong(400, content=b"{"),
    Wrong(400, body={"messages": []}),
    Wrong(400, body=QUESTION | {"n_predict": 5}),
    Wrong(404, path="/v1/models/not-loaded", method="GET"),
    Wrong(413, content=b" " * (9 << 20)),
    Wrong(502, script=Script(error=BROKEN)),
    Wrong(502, body=STREAMED, script=Script(error=BROKEN)),
    Wrong(502, script=Script(dies_after=1)),
)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.status}-{wrong.method}")
async def test_errors_of_a_known_key_tell_its_rate(
    wrong: Wrong, gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.script = wrong.script
    body: dict[str, Any] = {"json": wrong.body} if wrong.content is None else {"content": wrong.content}
    reply = await gateway.request(wrong.method, wrong.path, headers=account.headers, **body)
    assert reply.status_code == wrong.status
    assert reply.headers["x-request-id"]
    assert [reply.headers[name] for name in RATE] == ["1000", "999", "1m0s"]


async def test_an_upstream_that_fails_to_count_the_prompt_too(
    start_gateway: GatewayFactory, redis: Redis
) -> None:
    gateway = await start_gateway(llama_base_url="http://127.0.0.1:1")
    poor = await open_account(redis, tokens=100)
    reply = await gateway.post(CHAT, json=QUESTION, headers=poor.headers)
    assert reply.status_code in (502, 503)
    assert all(name in reply.headers for name in RATE)


async def test_an_account_that_is_not_ready_too(gateway: httpx.AsyncClient, redis: Redis) -> None:
    account = await open_account(redis, tokens=100)
    await redis.delete(AccountKeys(account.account_id).account)
    reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
    assert reply.status_code == 503
    assert all(name in reply.headers for name in RATE)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/v1/slots", 404), ("GET", CHAT, 405), ("POST", CHAT, 401), ("GET", "/v1/balance", 401)],
)
@pytest.mark.parametrize("key", [None, "sk-malformed", pytest.param(new_account().key, id="unknown")])
async def test_who_is_not_known_is_told_the_rate_of_the_address(
    method: str, path: str, status: int, key: str | None, gateway: httpx.AsyncClient
) -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    reply = await gateway.request(method, path, json=QUESTION, headers=headers)
    assert reply.status_code == status
    assert reply.headers["x-request-id"]
    assert [reply.headers[name] for name in RATE] == ["1000", "999", "1m0s"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/slots"), ("GET", CHAT), ("OPTIONS", CHAT)])
async def test_what_is_not_there_costs_a_key_nothing_and_the_address_a_place(
    method: str, path: str, start_gateway: GatewayFactory, account: Account
) -> None:
    gateway = await start_gateway(inference_ip_rate_limit=2)
    for _ in range(2):
        reply = await gateway.request(method, path, headers=account.headers)
        assert reply.status_code in (404, 405)
        assert [reply.headers[name] for name in RATE] == ["1000", "1000", "0ms"]
    refused = await gateway.request(method, path, headers=account.headers)
    assert refused.status_code == 429
    assert refused.headers[RATE[1]] == "0"
    assert int(refused.headers["retry-after"]) > 55


async def test_a_head_is_a_get_without_its_body(gateway: httpx.AsyncClient, account: Account) -> None:
    reply = await gateway.head("/v1/balance", headers=account.headers)
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers[RATE[1]] == "999"
    refused = await gateway.head(CHAT, headers=account.headers)
    assert (refused.status_code, refused.headers["allow"], refused.content) == (405, "POST", b"")


async def test_other_methods_are_told_what_there_is(gateway: httpx.AsyncClient) -> None:
    reply = await gateway.delete("/v1/models")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD")
