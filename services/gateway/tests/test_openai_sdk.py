"""The official client works against it, and sees our refusals as its own exceptions."""

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from redis.asyncio import Redis

from services.gateway.tests.support.accounts import Account, available, open_account
from tests.support.upstream import PARIS, Script, StandInUpstream
from tests.support.upstream_wire import MODEL_NAME

TEXT = "".join(PARIS)


def sdk(gateway: httpx.AsyncClient, key: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=0)


async def test_chat_whole_and_streamed(gateway: httpx.AsyncClient, account: Account) -> None:
    async with sdk(gateway, account.key) as client:
        whole = await client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hi"}]
        )
        assert (whole.choices[0].message.content, whole.model) == (TEXT, MODEL_NAME)
        assert whole._request_id
        stream = await client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == TEXT
        assert [model.id async for model in client.models.list()] == [MODEL_NAME]


async def test_refusals_are_the_sdks_own_exceptions(
    gateway: httpx.AsyncClient, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    poor = await open_account(redis, tokens=0)
    async with sdk(gateway, "sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
    async with sdk(gateway, poor.key) as client:
        with pytest.raises(openai.APIStatusError) as refused:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        assert (refused.value.status_code, refused.value.code) == (402, "insufficient_quota")
        assert refused.value.request_id
    async with sdk(gateway, account.key) as client:
        with pytest.raises(openai.BadRequestError) as bad:
            await client.chat.completions.create(model="m", messages=[], n=1)
        assert bad.value.param == "messages"


async def read_out(stream: openai.AsyncStream[ChatCompletionChunk]) -> None:
    async for _ in stream:
        pass


async def test_a_stream_that_breaks_raises_in_the_client(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.script = Script(dies_after=2)
    async with sdk(gateway, account.key) as client:
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        with pytest.raises(openai.APIError, match="cannot be reached"):
            await read_out(stream)


async def test_what_may_be_tried_again_is_tried_again_and_paid_once(
    gateway: httpx.AsyncClient, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    loading = Script(error=(503, {"code": 503, "message": "Loading model", "type": "unavailable_error"}))
    broken = Script(error=(500, {"code": 500, "message": "gave up", "type": "server_error"}))
    upstream.scripts.extend([loading, broken])
    async with sdk(gateway, account.key).with_options(max_retries=5) as client:
        answer = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], timeout=20
        )
    assert answer.usage is not None
    assert await available(redis, account) == 100_000 - answer.usage.total_tokens
    assert len(upstream.generations) == 1
    assert not upstream.scripts


async def test_what_is_our_word_for_good_is_asked_once(
    gateway: httpx.AsyncClient, account: Account, redis: Redis
) -> None:
    poor = await open_account(redis, tokens=0)
    async with sdk(gateway, poor.key).with_options(max_retries=5) as client:
        with pytest.raises(openai.APIStatusError) as refused:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert refused.value.status_code == 402
    assert refused.value.response.request.headers["x-stainless-retry-count"] == "0"
