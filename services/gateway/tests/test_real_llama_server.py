"""What the gateway relies on, with a real llama-server behind it: counts, refusals, and the shape of its answers."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter
from redis.asyncio import Redis

from services.gateway.app import build_app
from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.support.accounts import Account, available, nothing_is_held, open_account
from services.gateway.tests.support.chat import chunks_in, error_of
from services.gateway.tests.support.responses import events_in
from services.gateway.tests.support.serving import serving
from services.gateway.tests.support.usage import UsageListener
from shared.contracts.gateway import Outcome
from tests.support.real_model import running_model

KEY = "key"
CONTEXT_TOKENS = 8192
QUESTION = "What is the capital of France?"
CHAT, RESPONSES, COMPLETIONS = "/v1/chat/completions", "/v1/responses", "/v1/completions"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": QUESTION}]},
    RESPONSES: {"input": QUESTION},
    COMPLETIONS: {"prompt": QUESTION},
}
LIMIT = {CHAT: "max_tokens", RESPONSES: "max_output_tokens", COMPLETIONS: "max_tokens"}
TYPES: dict[str, type[BaseModel]] = {CHAT: ChatCompletion, RESPONSES: Response, COMPLETIONS: Completion}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
every_route = pytest.mark.parametrize("route", BODIES)


@pytest.fixture(scope="module")
def model_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_model(tmp_path_factory.mktemp("model"), KEY) as url:
        yield url


@pytest.fixture(scope="module")
async def real_url(model_url: str, settings_with: SettingsFactory) -> AsyncIterator[str]:
    async with serving(build_app(settings_with(llama_base_url=model_url, llama_api_key=KEY))) as url:
        yield url


@pytest.fixture
async def real(real_url: str, redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=real_url, timeout=60) as client:
        yield client


def limited(route: str, tokens: int, **fields: Any) -> dict[str, Any]:
    return BODIES[route] | {LIMIT[route]: tokens} | fields


@every_route
async def test_a_whole_answer_and_its_record_agree(
    route: str, real: httpx.AsyncClient, account: Account, usage: UsageListener
) -> None:
    reply = await real.post(route, json=limited(route, 8), headers=account.headers)
    answer: Any = TYPES[route].model_validate_json(reply.content, strict=True)
    record = await usage.record_of(reply.headers["x-request-id"])
    assert record.tokens == answer.usage.total_tokens
    assert (record.outcome, record.estimated, record.model) == (Outcome.COMPLETED, False, answer.model)


@every_route
async def test_a_stream_is_valid_and_costs_what_a_whole_answer_does(
    route: str, real: httpx.AsyncClient, account: Account, usage: UsageListener
) -> None:
    whole = await real.post(route, json=limited(route, 8, temperature=0), headers=account.headers)
    streamed = await real.post(
        route, json=limited(route, 8, temperature=0, stream=True), headers=account.headers
    )
    records = [await usage.record_of(reply.headers["x-request-id"]) for reply in (whole, streamed)]
    assert records[0].tokens == records[1].tokens
    assert "timings" not in streamed.text
    for event in events_in(streamed.text):
        EVENT.validate_json(json.dumps(event), strict=True)
    for chunk in chunks_in(streamed.text) if route == CHAT else []:
        ChatCompletionChunk.model_validate_json(json.dumps(chunk), strict=True)


@every_route
async def test_a_stream_that_is_left_costs_what_had_been_received(
    route: str, real: httpx.AsyncClient, account: Account, redis: Redis, usage: UsageListener
) -> None:
    async with real.stream(
        "POST", route, json=limited(route, 400, stream=True), headers=account.headers
    ) as reply:
        async for line in reply.aiter_lines():
            if '"text":"' in line or '"content":"' in line or '"delta":"' in line:
                break
    record = await usage.record_of(reply.headers["x-request-id"])
    assert record.outcome in (
        Outcome.CLIENT_DISCONNECTED,
        Outcome.COMPLETED,
    )  # the answer may have been as short
    assert 1 <= record.tokens_completion < 400
    assert await available(redis, account) == 100_000 - record.tokens


@every_route
async def test_a_prompt_is_counted_to_the_token_before_it_is_paid_for(
    route: str, real: httpx.AsyncClient, account: Account, redis: Redis, usage: UsageListener
) -> None:
    reply = await real.post(route, json=limited(route, 1), headers=account.headers)
    tokens = (await usage.record_of(reply.headers["x-request-id"])).tokens_prompt
    poor, just = [await open_account(redis, tokens=tokens + more) for more in (0, 1)]
    assert (await real.post(route, json=BODIES[route], headers=poor.headers)).status_code == 402
    reply = await real.post(route, json=BODIES[route], headers=just.headers)
    assert (reply.status_code, reply.headers["x-tokens-granted"]) == (200, "1")
    assert await available(redis, just) == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("route", "body", "param"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "word " * CONTEXT_TOKENS}]}, "messages"),
        (RESPONSES, {"input": "word " * CONTEXT_TOKENS}, "input"),
        (COMPLETIONS, {"prompt": "word " * CONTEXT_TOKENS}, "prompt"),
    ],
)
async def test_a_prompt_longer_than_the_context_is_a_400_that_names_its_field(
    route: str, body: dict[str, Any], param: str, stream: bool, real: httpx.AsyncClient, account: Account
) -> None:
    reply = await real.post(route, json=body | {"stream": stream}, headers=account.headers)
    error = error_of(reply)
    assert (reply.status_code, error["code"], error["param"]) == (400, "context_length_exceeded", param)


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "#/nowhere"}}}},
        {"messages": [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]},
    ],
)
async def test_a_users_mistake_is_a_400_and_costs_nothing(
    fields: dict[str, Any], real: httpx.AsyncClient, account: Account, redis: Redis
) -> None:
    reply = await real.post(CHAT, json=BODIES[CHAT] | fields, headers=account.headers)
    assert (reply.status_code, error_of(reply)["type"]) == (400, "invalid_request_error")
    await nothing_is_held(redis, account)
    assert await available(redis, account) == 100_000


async def test_a_model_without_embeddings_says_so(real: httpx.AsyncClient, account: Account) -> None:
    reply = await real.post("/v1/embeddings", json={"input": "Hi"}, headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (404, "not_offered")


async def test_its_context_is_shown(real: httpx.AsyncClient, account: Account) -> None:
    [model] = (await real.get("/v1/models", headers=account.headers)).json()["data"]
    assert model["context_length"] == CONTEXT_TOKENS


async def test_its_refusal_of_our_key_is_our_fault(
    model_url: str, settings_with: SettingsFactory, account: Account
) -> None:
    app = build_app(settings_with(llama_base_url=model_url, llama_api_key="wrong"))
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as gateway:
        reply = await gateway.post(CHAT, json=BODIES[CHAT], headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (502, "upstream_error")
