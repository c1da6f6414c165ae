"""429 for the address, 401, 429 for the key, 400 or 413, 402, 503: of several reasons the first is told.

No stranger's body is read further than its first 128 KB."""

import asyncio
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.entrypoints import http
from services.gateway.entrypoints.generate import PARSED_AT_ONCE_BYTES_MAX
from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, held, new_account, open_account
from services.gateway.tests.support.chat import CHAT, QUESTION, error_of
from services.gateway.use_cases import watch_backlog
from tests.support.eventually import eventually

BAD: dict[str, Any] = {"messages": []}
LARGE = QUESTION | {"metadata": {"text": "x" * 2 * PARSED_AT_ONCE_BYTES_MAX}}
LARGE_BAD = BAD | {"metadata": {"text": "x" * 2 * PARSED_AT_ONCE_BYTES_MAX}}
BODIES = [BAD, LARGE_BAD]


@pytest.fixture
def every_body_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_BYTES_MAX", 1)


async def ask(gateway: httpx.AsyncClient, account: Account, body: Any) -> int:
    reply = await gateway.post(CHAT, json=body, headers=account.headers)
    error_of(reply)
    return reply.status_code


@pytest.mark.parametrize("body", BODIES)
async def test_a_limited_address_hears_that_whatever_its_key_and_its_body(
    body: Any, start_gateway: GatewayFactory, account: Account
) -> None:
    gateway = await start_gateway(inference_ip_rate_limit=1)
    assert (await gateway.get("/v1/balance", headers=account.headers)).status_code == 200
    assert await ask(gateway, new_account(), body) == 429
    assert await ask(gateway, account, body) == 429


@pytest.mark.parametrize("body", BODIES)
async def test_an_unknown_key_goes_before_a_bad_body(body: Any, gateway: httpx.AsyncClient) -> None:
    assert await ask(gateway, new_account(), body) == 401


@pytest.mark.usefixtures("every_body_is_too_large")
async def test_an_unknown_key_goes_before_a_body_over_the_bound(
    gateway: httpx.AsyncClient, account: Account
) -> None:
    assert await ask(gateway, new_account(), QUESTION) == 401
    assert await ask(gateway, account, QUESTION) == 413


@pytest.mark.parametrize("body", BODIES)
async def test_a_limited_key_goes_before_a_bad_body(
    body: Any, gateway: httpx.AsyncClient, redis: Redis
) -> None:
    account = await open_account(redis, tokens=0, limit_per_minute=1)
    assert await ask(gateway, account, body) == 400
    assert await ask(gateway, account, body) == 429


async def test_a_bad_body_goes_before_a_spent_balance_and_that_before_being_full(
    start_gateway: GatewayFactory, redis: Redis, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_backlog, "UNCONFIRMED_MAX", -1)
    gateway = await start_gateway()
    poor = await open_account(redis, tokens=0)

    async def is_full() -> bool:
        reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
        return reply.status_code == 503

    await eventually(is_full)
    assert await ask(gateway, poor, BAD) == 400
    assert await ask(gateway, poor, QUESTION) == 402
    assert await ask(gateway, account, BAD) == 400
    assert await held(redis, account) == 0


async def test_a_strangers_body_is_not_waited_for(gateway: httpx.AsyncClient) -> None:
    """It says eight megabytes, sends a few hundred kilobytes, and is answered."""
    url = gateway.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: {new_account().headers['authorization']}\r\n"
    writer.write(f"{head}Content-Length: {8 << 20}\r\n\r\n".encode() + b" " * 2 * PARSED_AT_ONCE_BYTES_MAX)
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()


async def test_a_large_body_counts_once_for_its_key(gateway: httpx.AsyncClient, redis: Redis) -> None:
    account = await open_account(redis, tokens=100_000, limit_per_minute=2)
    replies = [await gateway.post(CHAT, json=LARGE, headers=account.headers) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in replies] == ["1", "0", "0"]


@pytest.mark.parametrize("route", [CHAT, "/v1/no-such-route"])
async def test_a_refusal_waits_for_the_short_body_that_is_still_coming(
    route: str, gateway_url: str, redis: Redis
) -> None:
    """A proxy that has an answer before it has read all of its request keeps the connection no longer, unannounced."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(gateway_url).port)
    writer.write(f"POST {route} HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345".encode())
    answer = asyncio.create_task(reader.readuntil(b"\r\n"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(answer), 0.2)
    writer.write(b"67890")
    assert (await asyncio.wait_for(answer, http.REST_TIMEOUT_SECONDS / 2)).split()[1] in (b"401", b"404")
    writer.close()
