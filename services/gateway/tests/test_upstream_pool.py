"""Several upstreams: the freest first, and another one when the first fails before it has said anything."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, available
from services.gateway.tests.support.chat import (
    CHAT,
    QUESTION,
    STREAMED,
    TOKENS_PROMPT,
    chunks_in,
    error_of,
    until_generating,
)
from services.gateway.tests.support.usage import UsageListener
from services.gateway.use_cases.watch_template import TemplateWatch
from tests.support.eventually import eventually
from tests.support.upstream import PARIS, Script, StandInUpstream, running_upstream

LOADING = (503, {"code": 503, "message": "Loading model", "type": "unavailable_error"})
BROKEN = (500, {"code": 500, "message": "gave up", "type": "server_error"})
MISTAKE = (400, {"code": 400, "message": "no", "type": "invalid_request_error"})
NOWHERE = "http://127.0.0.1:1"
TOKENS = 100_000


@pytest.fixture
async def second() -> AsyncIterator[StandInUpstream]:
    async with running_upstream() as running:
        yield running


@pytest.fixture
async def gateway(
    start_gateway: GatewayFactory, upstream: StandInUpstream, second: StandInUpstream
) -> httpx.AsyncClient:
    """Before two upstreams, both known to be up; `upstream` is asked first."""
    client = await start_gateway(llama_base_url=f"{upstream.url},{second.url}", upstream_concurrency=2)
    await eventually(lambda: all_are_up(client))
    return client


def ask(gateway: httpx.AsyncClient, account: Account, body: dict[str, Any]) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(gateway.post(CHAT, json=body, headers=account.headers))


async def generations(upstream: StandInUpstream, count: int) -> bool:
    return len(upstream.generations) == count


async def test_the_freest_upstream_is_asked_first(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream, second: StandInUpstream
) -> None:
    upstream.script = second.script = Script(pauses_after=0)
    calls = []
    for here, there in ((1, 0), (1, 1), (2, 1), (2, 2)):
        calls.append(ask(gateway, account, STREAMED))
        await eventually(lambda count=here: generations(upstream, count))  # type: ignore[misc]
        await eventually(lambda count=there: generations(second, count))  # type: ignore[misc]
    upstream.resume.set()
    second.resume.set()
    assert {(await call).status_code for call in calls} == {200}


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
@pytest.mark.parametrize("failing", [Script(error=LOADING), Script(error=BROKEN), Script(dies_after=0)])
async def test_what_fails_before_its_first_byte_is_answered_by_the_other(
    failing: Script, body: dict[str, Any], gateway: httpx.AsyncClient, account: Account, redis: Redis,
    upstream: StandInUpstream, second: StandInUpstream, usage: UsageListener,
) -> None:  # fmt: skip
    upstream.script = failing
    reply = await gateway.post(CHAT, json=body, headers=account.headers)
    assert (reply.status_code, len(second.generations)) == (200, 1)
    assert "error" not in reply.text
    record = await usage.record_of(reply.headers["x-request-id"])
    assert record.tokens == TOKENS_PROMPT + len(PARIS)
    assert await available(redis, account) == TOKENS - record.tokens


class Loading:
    """Says that it is loading, would keep the connection, and notes when that is closed."""

    def __init__(self) -> None:
        self.asked = 0
        self.was_left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            self.asked += 1
            writer.write(b"HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\n{}")
            while await reader.read(1024):
                pass
            self.was_left.set()
        else:
            writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()


async def test_the_first_upstream_has_been_left_when_the_second_works(
    start_gateway: GatewayFactory,
    account: Account,
    upstream: StandInUpstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TemplateWatch, "bound_holds", True)  # it has no model to measure
    loading = Loading()
    async with await asyncio.start_server(loading.serve, "127.0.0.1") as server:
        first = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        gateway = await start_gateway(llama_base_url=f"{first},{upstream.url}")
        await eventually(lambda: all_are_up(gateway))
        upstream.script = Script(pauses_after=0)
        call = ask(gateway, account, STREAMED)
        await until_generating(upstream)
        async with asyncio.timeout(0.25):
            await loading.was_left.wait()
        upstream.resume.set()
        assert (await call).status_code == 200
        assert loading.asked == 1


async def all_are_up(client: httpx.AsyncClient) -> bool:
    lines = (await client.get("/metrics")).text.splitlines()
    return all(line.endswith(" 1.0") for line in lines if line.startswith("promptly_gateway_upstream_up{"))


async def test_one_bad_answer_is_no_reason_to_take_an_upstream_for_down_but_three_in_a_row_are(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    bad, good = Script(dies_after=0), Script()
    upstream.scripts.extend([Script(error=BROKEN), bad, bad, good, bad, bad])
    for _ in range(6):
        assert (await gateway.post(CHAT, json=STREAMED, headers=account.headers)).status_code == 200
        assert await all_are_up(gateway)
    upstream.script = bad
    assert (await gateway.post(CHAT, json=STREAMED, headers=account.headers)).status_code == 200
    assert not await all_are_up(gateway)


async def test_an_upstream_that_says_it_is_loading_is_down_at_once(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.script = Script(error=LOADING)
    assert (await gateway.post(CHAT, json=STREAMED, headers=account.headers)).status_code == 200
    assert not await all_are_up(gateway)


async def test_an_answer_that_has_begun_never_moves(
    gateway: httpx.AsyncClient, account: Account, redis: Redis,
    upstream: StandInUpstream, second: StandInUpstream, usage: UsageListener,
) -> None:  # fmt: skip
    upstream.script = Script(dies_after=2)
    reply = await gateway.post(CHAT, json=STREAMED, headers=account.headers)
    assert chunks_in(reply.text)[-1]["error"]["code"] == "upstream_error"
    assert second.generations == []
    record = await usage.record_of(reply.headers["x-request-id"])
    assert record.tokens == TOKENS_PROMPT + 2


async def test_a_clients_own_mistake_is_told_once(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream, second: StandInUpstream
) -> None:
    upstream.script = Script(error=MISTAKE)
    reply = await gateway.post(CHAT, json=STREAMED, headers=account.headers)
    assert (reply.status_code, second.generations) == (400, [])


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_what_fails_everywhere_is_refused_and_nothing_is_charged(
    body: dict[str, Any], start_gateway: GatewayFactory, account: Account, redis: Redis,
    upstream: StandInUpstream, second: StandInUpstream,
) -> None:  # fmt: skip
    async with running_upstream() as third:
        urls = ",".join(one.url for one in (upstream, second, third))
        gateway = await start_gateway(llama_base_url=urls)
        await eventually(lambda: all_are_up(gateway))
        for one in (upstream, second, third):
            one.script = Script(dies_after=0)
        reply = await gateway.post(CHAT, json=body, headers=account.headers)
        assert (reply.status_code, error_of(reply)["code"]) == (502, "upstream_error")
        tried = sum(len(one.generations) for one in (upstream, second, third))
        assert tried == 2, "what kills its server does not kill them all"
    assert await available(redis, account) == TOKENS


async def test_a_silent_upstream_is_504_at_once_with_its_timeout_and_does_not_move(
    start_gateway: GatewayFactory, account: Account, redis: Redis,
    upstream: StandInUpstream, second: StandInUpstream,
) -> None:  # fmt: skip
    urls = f"{upstream.url},{second.url}"
    gateway = await start_gateway(llama_base_url=urls, upstream_timeout_seconds=0.2)
    upstream.script = second.script = Script(pauses_after=0)
    for body in (QUESTION, STREAMED):
        reply = await gateway.post(CHAT, json=body, headers=account.headers)
        assert (reply.status_code, error_of(reply)["code"]) == (504, "upstream_timeout")
    assert len(upstream.generations) + len(second.generations) == 2
    assert await available(redis, account) == TOKENS


async def test_the_upstreams_together_run_no_more_than_their_slots_also_when_one_goes_down(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream, second: StandInUpstream,
) -> None:  # fmt: skip
    upstream.script = second.script = Script(pauses_after=0)
    calls = [ask(gateway, account, STREAMED) for _ in range(6)]
    await eventually(lambda: generations(upstream, 2))
    await eventually(lambda: generations(second, 2))
    upstream.scripts.extend([Script(error=LOADING)] * 6)
    second.resume.set()
    second.script = Script()
    await eventually(lambda: generations(second, 4))
    upstream.resume.set()
    assert {(await call).status_code for call in calls} == {200}
