"""What an upstream says or does that no honest one would: it may cost the operator, but never this process, its
books, or the requests of others."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.gateway.adapters.upstream_http import HttpUpstream
from services.gateway.domain.chat_stream import ChatStream
from services.gateway.domain.counts import TOKENS_MAX, counts_of_timings, counts_of_usage
from services.gateway.domain.errors import UpstreamFailed
from services.gateway.domain.generation import UpstreamCall
from services.gateway.domain.model_names import file_name
from services.gateway.tests.support.serving import serving

TOO_MANY = (TOKENS_MAX + 1, 10**26, 10**400)


@pytest.mark.parametrize("tokens", TOO_MANY)
def test_a_number_that_is_no_count_counts_for_nothing(tokens: int) -> None:
    """Lua would keep 10^26 as a negative number, and nobody could ever read or end that hold."""
    assert counts_of_usage({"prompt_tokens": tokens, "completion_tokens": 1}) is None
    assert counts_of_timings({"cache_n": 0, "prompt_n": 1, "predicted_n": tokens}) is None


@pytest.mark.parametrize("timings", ["{}", '{"predicted_n":}', '{"predicted_n":' + "9" * 5000 + "}", '{"a"}'])
def test_timings_that_cannot_be_read_say_nothing(timings: str) -> None:
    """They pass unread: the checkpoint of all open requests reads them, and must not fall over one of them."""
    stream = ChatStream(include_usage=False)
    stream.feed(b'data: {"choices":[{}],"model":"m"}\n\n')
    chunk = f'data: {{"choices":[{{"delta":{{"content":"a"}}}}],"model":"m","timings":{timings}}}\n\n'
    assert json.loads(stream.feed(chunk.encode())[6:])["choices"] == [{"delta": {"content": "a"}}]
    assert stream.counts() is None


@pytest.mark.parametrize("name", ["/a/m\x00.gguf", "m\ud800.gguf", "m\n.gguf", "m\x1b.gguf"])
def test_a_models_name_can_be_stored_everywhere(name: str) -> None:
    assert file_name(name) == "m.gguf"


@asynccontextmanager
async def upstream_that_says(content: bytes) -> AsyncIterator[HttpUpstream]:
    async def say(_: Request) -> Response:
        return Response(content)

    app = Starlette(routes=[Route("/{path:path}", say, methods=["GET", "POST"])])
    async with serving(app) as url, HttpUpstream(url, None, timeout_seconds=5) as upstream:
        yield upstream


@pytest.mark.parametrize("tokens", [-5, True, 10**26, 1.5, "7"])
async def test_a_count_that_is_no_count_is_a_failure(tokens: Any) -> None:
    """A negative one would make a hold smaller than its answer."""
    async with upstream_that_says(json.dumps({"input_tokens": tokens}).encode()) as upstream:
        with pytest.raises(UpstreamFailed):
            await upstream.count_prompt(UpstreamCall("/count", b"{}", "messages"))


@pytest.mark.parametrize("created", ["yesterday", [], 1.5])
async def test_a_models_date_that_is_none_is_left_out(created: Any) -> None:
    models = {"data": [{"id": "m", "created": created}]}
    async with upstream_that_says(json.dumps(models).encode()) as upstream:
        assert [model.created_at for model in await upstream.list_models()] == [0]


async def test_a_list_of_models_too_deep_to_read_is_a_failure() -> None:
    """The watch of the chat template asks for it every 2 s, and must outlive the answer."""
    async with upstream_that_says(b"[" * 100_000) as upstream:
        with pytest.raises(UpstreamFailed):
            await upstream.list_models()


class Nobody:
    """Works."""

    def begin_generating(self) -> None: ...

    def stop_generating(self) -> None: ...


async def test_prompts_that_take_long_to_count_take_no_place_of_a_generation() -> None:
    """Counting costs nothing, and who cannot pay may ask for it again and again."""

    async def hang(_: Request) -> Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody answers")

    async def say(_: Request) -> Response:
        return Response(b"an answer")

    app = Starlette(routes=[Route("/count", hang, methods=["POST"]), Route("/say", say, methods=["POST"])])
    async with serving(app) as url, HttpUpstream(url, None, timeout_seconds=5) as upstream:
        count, answer = (UpstreamCall(path, b"{}", "messages") for path in ("/count", "/say"))
        counts = [asyncio.create_task(upstream.count_prompt(count)) for _ in range(40)]
        await asyncio.wait(counts, timeout=0.3)
        async with asyncio.timeout(3), upstream.open_answer(answer, Nobody()) as reply:
            assert await reply.read() == b"an answer"
        for counting in counts:
            counting.cancel()
        await asyncio.wait(counts)
