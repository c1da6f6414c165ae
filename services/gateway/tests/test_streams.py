"""How a stream reaches its client: as it comes, cleaned, at the reader's pace, with errors said aloud."""

import asyncio
from functools import partial

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.entrypoints import streaming
from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, open_account
from services.gateway.tests.support.chat import (
    CHAT,
    STREAMED,
    chunks_in,
    until_generating,
)
from shared.admission.keys import AccountKeys
from tests.support.eventually import eventually
from tests.support.upstream import PARIS, Script, StandInUpstream
from tests.support.upstream_wire import MODEL_NAME


async def test_a_stream_is_cleaned_and_complete(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    reply = await gateway.post(CHAT, json=STREAMED, headers=account.headers)
    chunks = chunks_in(reply.text)
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == "".join(PARIS)
    assert reply.text.endswith("data: [DONE]\n\n")
    assert {chunk["model"] for chunk in chunks} == {MODEL_NAME}
    assert "timings" not in reply.text
    assert "usage" not in reply.text
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (reply.headers["cache-control"], reply.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert reply.headers["x-request-id"]
    assert "llama" not in str(reply.headers)


async def test_usage_comes_to_those_who_ask(gateway: httpx.AsyncClient, account: Account) -> None:
    body = STREAMED | {"stream_options": {"include_usage": True}}
    reply = await gateway.post(CHAT, json=body, headers=account.headers)
    *_, last = chunks_in(reply.text)
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], len(PARIS))


async def test_bytes_split_anywhere_arrive_as_whole_events(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.script = Script(tokens=("é", "東京", "🙂"), piece_bytes=1, says_first=b":\n\n")
    async with gateway.stream("POST", CHAT, json=STREAMED, headers=account.headers) as reply:
        pieces = [piece async for piece in reply.aiter_raw()]
    assert all(piece.endswith(b"\n\n") for piece in pieces)
    text = b"".join(pieces).decode()
    assert text.startswith(":\n\n")
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks_in(text)][1:-1] == [
        "é",
        "東京",
        "🙂",
    ]


async def test_the_first_token_is_not_kept_back(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.script = Script(pauses_after=1)
    async with gateway.stream("POST", CHAT, json=STREAMED, headers=account.headers) as reply:
        async for piece in reply.aiter_text():
            if PARIS[0] in piece:
                break
        assert upstream.generations[0].tokens_completion == 1


async def test_only_our_own_headers_go_upstream(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    strange = {"x-conversation-id": "somebody-elses", "cookie": "a=b", "x-forwarded-for": "1.2.3.4"}
    await gateway.post(CHAT, json=STREAMED, headers=account.headers | strange)
    [generation] = upstream.generations
    assert strange.keys() & generation.headers.keys() == set()
    assert account.key not in str(generation.headers)


async def test_a_slow_reader_slows_its_own_upstream(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    large = Script(tokens=("x" * 100_000,) * 400)
    upstream.script = large
    body = STREAMED | {"max_tokens": 400}
    async with gateway.stream("POST", CHAT, json=body, headers=account.headers) as reply:
        [generation] = upstream.generations
        before = -1
        while generation.tokens_completion > before:
            before = generation.tokens_completion
            await asyncio.sleep(0.1)
        assert generation.tokens_completion < 200, "buffers of sockets, not of the gateway"
        assert len(await reply.aread()) > 400 * 100_000
    assert generation.tokens_completion == 400


async def test_a_long_wait_is_heard_and_a_refusal_after_it_is_a_frame(
    start_gateway: GatewayFactory,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "PATIENCE_SECONDS", 0.05)
    gateway = await start_gateway(upstream_concurrency=1, queue_timeout_seconds=0.4)
    upstream.script = Script(pauses_after=0)
    running = asyncio.create_task(gateway.post(CHAT, json=STREAMED, headers=account.headers))
    await until_generating(upstream)
    reply = await gateway.post(CHAT, json=STREAMED, headers=account.headers)
    assert reply.status_code == 200
    assert reply.text.startswith(": waiting\n\n")
    assert chunks_in(reply.text)[-1]["error"]["code"] == "overloaded"
    assert "[DONE]" not in reply.text
    upstream.resume.set()
    assert (await running).text.endswith("data: [DONE]\n\n")


async def has_holds(redis: Redis, account: Account, count: int) -> bool:
    return len(await redis.hkeys(AccountKeys(account.account_id).holds)) == count


async def test_accounts_take_turns_at_the_upstream(
    start_gateway: GatewayFactory, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    gateway = await start_gateway(upstream_concurrency=1)
    other = await open_account(redis, tokens=100_000)
    upstream.script = Script(pauses_after=0)

    def ask(who: Account, name: str) -> asyncio.Task[httpx.Response]:
        body = {"messages": [{"role": "user", "content": name}]}
        return asyncio.create_task(gateway.post(CHAT, json=body, headers=who.headers))

    calls = [ask(account, "a0")]
    await until_generating(upstream)
    for count, name in enumerate(("a1", "a2", "a3"), start=2):
        calls.append(ask(account, name))
        await eventually(partial(has_holds, redis, account, count))
    calls.append(ask(other, "b1"))
    await eventually(partial(has_holds, redis, other, 1))
    upstream.resume.set()
    await asyncio.gather(*calls)
    assert [one.body["messages"][0]["content"] for one in upstream.generations] == [
        "a0",
        "a1",
        "b1",
        "a2",
        "a3",
    ]


async def test_open_requests_are_heard_of_while_they_wait_and_run(
    gateway: httpx.AsyncClient, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    upstream.script = Script(pauses_after=3)
    async with gateway.stream("POST", CHAT, json=STREAMED, headers=account.headers) as reply:
        request_id = reply.headers["x-request-id"]

        async def checkpointed() -> bool:
            hold = await redis.hget(AccountKeys(account.account_id).holds, request_id)
            assert hold is not None
            fields = bytes(hold).split(b"|")  # type: ignore[arg-type]
            return fields[3:5] == [b"%d" % upstream.generations[0].tokens_prompt, b"3"]

        await eventually(checkpointed)
