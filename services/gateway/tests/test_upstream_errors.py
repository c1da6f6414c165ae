"""What the client hears when the upstream refuses, or is not there."""

from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, open_account
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED, error_of
from tests.support.upstream import Script, StandInUpstream

ALARM = "promptly_gateway_upstream_refuses_us_total "


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ((503, {"code": 503, "message": "Loading model", "type": "unavailable_error"}), 503, "model_loading"),
        (
            (401, {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}),
            502,
            "upstream_error",
        ),
        ((400, {"code": 400, "message": "bad [json.exception.x.1] y", "type": "x"}), 400, "invalid_value"),
        (
            (
                500,
                {"code": 500, "message": "Failed to parse messages: Missing 'role'", "type": "server_error"},
            ),
            400,
            "invalid_value",
        ),
        (
            (500, {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}),
            503,
            "overloaded",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_upstream_refusals_are_translated_before_the_first_byte(
    stream: bool, error: Any, status: int, code: str,
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream,
) -> None:  # fmt: skip
    upstream.script = Script(error=error)
    reply = await gateway.post(CHAT, json=QUESTION | {"stream": stream}, headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (status, code)
    assert ("retry-after" in reply.headers) == (status == 503)


async def test_a_prompt_longer_than_the_context_is_400(gateway: httpx.AsyncClient, account: Account) -> None:
    body = {"messages": [{"role": "user", "content": "word " * 3000}], "stream": True}
    reply = await gateway.post(CHAT, json=body, headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (400, "context_length_exceeded")


async def refusals_of_our_key(gateway: httpx.AsyncClient) -> float:
    metrics = (await gateway.get("/metrics")).text
    return next(float(line.split()[1]) for line in metrics.splitlines() if line.startswith(ALARM))


async def test_our_own_key_refused_is_an_alarm_whoever_hears_it_first_and_nobody_is_told_to_try_again(
    start_gateway: GatewayFactory, account: Account, redis: Redis
) -> None:
    gateway = await start_gateway(llama_api_key="wrong")
    before = await refusals_of_our_key(gateway)
    poor = await open_account(redis, tokens=100)  # for whom the prompt is counted first
    for alarms, who in enumerate((account, poor), start=1):
        with capture_logs() as logs:
            reply = await gateway.post(CHAT, json=QUESTION, headers=who.headers)
        assert {"event": "upstream_refuses_us", "log_level": "error", "status": 401} in [
            {name: entry.get(name) for name in ("event", "log_level", "status")} for entry in logs
        ]
        assert (reply.status_code, reply.headers["x-should-retry"]) == (502, "false")
        assert "Invalid API Key" not in reply.text
        assert await refusals_of_our_key(gateway) == before + alarms


async def test_who_has_waited_for_the_whole_timeout_is_not_told_to_try_again(
    start_gateway: GatewayFactory, account: Account, upstream: StandInUpstream
) -> None:
    gateway = await start_gateway(upstream_timeout_seconds=0.2)
    upstream.script = Script(pauses_after=0)
    for body in (QUESTION, STREAMED):
        reply = await gateway.post(CHAT, json=body, headers=account.headers)
        assert (reply.status_code, reply.headers["x-should-retry"]) == (504, "false")


async def test_an_upstream_that_is_not_there_is_502(start_gateway: GatewayFactory, account: Account) -> None:
    gateway = await start_gateway(llama_base_url="http://127.0.0.1:1")
    reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (502, "upstream_error")
    assert "127.0.0.1:1" not in reply.text
    assert (await gateway.get("/v1/models", headers=account.headers)).status_code == 503
    assert (await gateway.get("/ready")).json() == {"status": "not ready", "missing": ["upstream"]}


async def test_an_upstream_that_closes_kept_connections_without_notice_fails_nobody(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.closes_kept_connections = True
    for body in (QUESTION, STREAMED, QUESTION, STREAMED):
        reply = await gateway.post(CHAT, json=body, headers=account.headers)
        assert reply.status_code == 200
        assert "error" not in reply.text
