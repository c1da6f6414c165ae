"""A request is traced when a collector is there, and served all the same when it is slow, or away."""

import asyncio
import socket
import time

import httpx
import pytest

from services.gateway.tests.support.accounts import Account
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED
from shared.tracing import spans
from tests.support.otlp_receiver import running_collector

REQUESTS = 20


async def ask_often(gateway: httpx.AsyncClient, account: Account) -> tuple[set[int], float]:
    """The statuses, and how long all of it took."""
    began = time.perf_counter()
    asking = (
        gateway.post(CHAT, json=body, headers=account.headers)
        for body in (QUESTION, STREAMED) * (REQUESTS // 2)
    )
    return {reply.status_code for reply in await asyncio.gather(*asking)}, time.perf_counter() - began


@pytest.mark.parametrize("is_there", [True, False], ids=["silent", "away"])
async def test_a_collector_that_is_silent_or_away_slows_and_breaks_no_request(
    gateway: httpx.AsyncClient, account: Account, *, is_there: bool
) -> None:
    _, usual_seconds = await ask_often(gateway, account)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        if not is_there:
            silent.close()
        port = silent.getsockname()[1] if is_there else 9
        spans.start("gateway", endpoint=f"http://127.0.0.1:{port}")
        try:
            statuses, seconds = await ask_often(gateway, account)
        finally:
            spans.stop()
    assert statuses == {200}
    assert seconds < 3 * usual_seconds + 1


async def test_no_key_and_no_prompt_is_in_a_span(gateway: httpx.AsyncClient, account: Account) -> None:
    body = QUESTION | {"messages": [{"role": "user", "content": "canary-in-the-prompt"}]}
    with running_collector() as collector:
        spans.start("gateway", endpoint=collector.url)
        reply = await gateway.post(CHAT, json=body, headers=account.headers)
        await gateway.get("/v1/canary-in-the-path?key=canary", headers=account.headers)
        spans.stop()
    told = {span.name: span for span in collector.of_request(reply.headers["x-request-id"])}
    assert {"POST /v1/chat/completions", "settle"} <= told.keys()
    sent = b"".join(collector.bodies)
    for secret in ("canary", account.key, "127.0.0.1"):
        assert secret.encode() not in sent
