"""What /v1 answers is valid by the SDK's own types, strictly: whole, streamed, with reasoning, cut, and errors."""

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from services.gateway.entrypoints import streaming
from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account
from services.gateway.tests.support.chat import CHAT, QUESTION, chunks_in, until_generating
from services.gateway.tests.support.responses import ASKED, RESPONSES, events_in, types_in
from tests.support.upstream import PARIS, Script, StandInUpstream
from tests.support.upstream_wire import MODEL_NAME

REASONING = Script(reasons_for=3)
SCRIPTS = pytest.mark.parametrize(
    "script", [Script(), REASONING, Script(tokens=())], ids=["plain", "reasons", "empty"]
)
LIMITS = pytest.mark.parametrize("limit", [5, 100])
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TEXT = "".join(PARIS)


def strictly(kind: type[BaseModel], value: Any) -> Any:
    return kind.model_validate_json(json.dumps(value), strict=True)


async def ask(
    gateway: httpx.AsyncClient, account: Account, path: str, body: dict[str, Any]
) -> httpx.Response:
    reply = await gateway.post(path, json=body, headers=account.headers)
    assert reply.status_code == 200, reply.text
    return reply


@SCRIPTS
@LIMITS
async def test_chats(
    script: Script, limit: int, gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.script = script
    body = QUESTION | {"max_tokens": limit}
    whole = strictly(ChatCompletion, (await ask(gateway, account, CHAT, body)).json())
    streamed = body | {"stream": True, "stream_options": {"include_usage": True}}
    reply = await ask(gateway, account, CHAT, streamed)
    chunks = [strictly(ChatCompletionChunk, chunk) for chunk in chunks_in(reply.text)]
    assert chunks[-1].usage == whole.usage
    assert {chunk.model for chunk in chunks} == {whole.model} == {MODEL_NAME}


@SCRIPTS
@LIMITS
async def test_responses(
    script: Script, limit: int, gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.script = script
    body = ASKED | {"max_output_tokens": limit}
    whole = strictly(Response, (await ask(gateway, account, RESPONSES, body)).json())
    reply = await ask(gateway, account, RESPONSES, body | {"stream": True})
    events = events_in(reply.text)
    for event in events:
        EVENT.validate_json(json.dumps(event), strict=True)
    last = strictly(Response, events[-1]["response"])
    assert (last.status, last.usage, last.output_text) == (whole.status, whole.usage, whole.output_text)
    assert (last.incomplete_details is not None) == (limit < len(script.tokens))


async def test_models(gateway: httpx.AsyncClient, account: Account) -> None:
    listed = (await gateway.get("/v1/models", headers=account.headers)).json()
    assert [strictly(Model, model).id for model in listed["data"]] == [MODEL_NAME]


@pytest.mark.parametrize(
    "script", [Script(dies_after=3), Script(says_first=b":\n\n", dies_after=0), Script(fails_after=3)]
)
async def test_a_response_that_breaks_says_so_in_its_stream_and_raises_in_the_client(
    script: Script, gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.script = script
    async with client(gateway, account) as sdk:
        with pytest.raises(openai.APIError):
            await read_out(sdk)
    reply = await gateway.post(RESPONSES, json=ASKED | {"stream": True}, headers=account.headers)
    assert types_in(reply.text)[:2] == ["response.created", "response.in_progress"]
    assert types_in(reply.text)[-2:] == ["error", "response.failed"]


async def test_a_response_that_waits_long_hears_that_it_does_and_a_refusal_after_it_is_an_event(
    start_gateway: GatewayFactory,
    account: Account,
    upstream: StandInUpstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "PATIENCE_SECONDS", 0.05)
    gateway = await start_gateway(upstream_concurrency=1, queue_timeout_seconds=0.3)
    upstream.script = Script(pauses_after=0)
    running = asyncio.create_task(gateway.post(CHAT, json=QUESTION, headers=account.headers))
    await until_generating(upstream)
    reply = await ask(gateway, account, RESPONSES, ASKED | {"stream": True})
    assert reply.text.startswith(": waiting\n\n")
    *_, error, failed = events_in(reply.text)
    assert (error["code"], failed["response"]["status"]) == ("overloaded", "failed")
    upstream.resume.set()
    assert (await running).status_code == 200


def client(gateway: httpx.AsyncClient, account: Account) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{gateway.base_url}/v1", api_key=account.key, max_retries=0)


async def read_out(sdk: openai.AsyncOpenAI) -> None:
    async for _ in await sdk.responses.create(model="m", input="Hi", stream=True):
        pass


async def test_the_official_client_follows_a_response_and_answers_it(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.script = REASONING
    async with client(gateway, account) as sdk:
        async with sdk.responses.stream(model="m", input="Hi") as stream:
            first = await stream.get_final_response()
        assert [item.type for item in first.output] == ["reasoning", "message"]
        said: list[Any] = [*first.output, {"role": "user", "content": "Sure?"}]
        second = await sdk.responses.create(model="m", input=said)
    assert second.status == "completed"
    thought, question = upstream.generations[-1].body["messages"]
    assert thought["reasoning_content"] + thought["content"][0]["text"] == TEXT
    assert question == {"role": "user", "content": "Sure?"}
