"""The cheap bound holds for the chat template of the model that is loaded, or every prompt is counted exactly."""

import asyncio
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.domain.chat_request import parse_chat_request
from services.gateway.domain.generation import CompletionLimits
from services.gateway.domain.prompt_bound import MESSAGE_TOKENS, TEMPLATE_TOKENS, TOOLS_TEMPLATE_TOKENS
from services.gateway.domain.template import TemplateCounts, template_of
from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, available
from services.gateway.tests.support.chat import CHAT, QUESTION
from services.gateway.use_cases import watch_template
from tests.support import upstream as stand_in
from tests.support.eventually import eventually
from tests.support.upstream import PARIS, StandInUpstream
from tests.support.upstream_wire import MODELS

TOKENS = 100_000
VERBOSE = 1_500
"""What the template of a talkative model writes before a conversation."""


class Model:
    """The one that the stand-in has loaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def load(self, name: str, *, around: int, each: int = 4) -> None:
        models = MODELS | {"data": [MODELS["data"][0] | {"id": name}]}
        self._monkeypatch.setattr(stand_in, "MODELS", models)
        self._monkeypatch.setattr(
            stand_in, "count_prompt", lambda body: around + each * len(body["messages"])
        )


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr(watch_template, "INTERVAL_SECONDS", 0.05)
    return Model(monkeypatch)


async def test_a_template_that_writes_more_than_promised_never_exceeds_a_hold(
    model: Model, start_gateway: GatewayFactory, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    """Had it, only what was held would have been charged."""
    model.load("verbose.gguf", around=VERBOSE)
    gateway = await start_gateway()
    reply = await gateway.post(CHAT, json=QUESTION | {"max_tokens": 20}, headers=account.headers)
    assert reply.status_code == 200
    assert upstream.generations[0].tokens_prompt == VERBOSE + 4
    assert await available(redis, account) == TOKENS - VERBOSE - 4 - len(PARIS)


async def counts_each(gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream) -> bool:
    before = upstream.counted
    reply = await gateway.post(CHAT, json=QUESTION | {"max_tokens": 1}, headers=account.headers)
    assert reply.status_code == 200
    return upstream.counted > before


async def test_it_is_measured_at_the_start_and_when_another_model_is_loaded(
    model: Model, start_gateway: GatewayFactory, account: Account, upstream: StandInUpstream
) -> None:
    gateway = await start_gateway()

    async def is_bounded_cheaply() -> bool:
        return not await counts_each(gateway, account, upstream)

    async def is_counted() -> bool:
        return await counts_each(gateway, account, upstream)

    await eventually(is_bounded_cheaply)
    model.load("verbose.gguf", around=VERBOSE)
    await eventually(is_counted)
    for _ in range(3):
        assert await is_counted()
    model.load("terse.gguf", around=10)
    await eventually(is_bounded_cheaply)


async def test_nothing_is_bounded_cheaply_before_it_is_measured(
    start_gateway: GatewayFactory,
    account: Account,
    upstream: StandInUpstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_measure = asyncio.Event()

    async def count_later(*_: object) -> None:
        await may_measure.wait()

    monkeypatch.setattr(watch_template, "_count_all", count_later)
    gateway = await start_gateway()
    for _ in range(3):
        assert await counts_each(gateway, account, upstream)
    may_measure.set()


@pytest.mark.parametrize(
    ("counts", "is_within"),
    [
        (TemplateCounts(TEMPLATE_TOKENS, None, None, None), True),
        (TemplateCounts(TEMPLATE_TOKENS + 1, None, None, None), False),
        (TemplateCounts(9, 9 + 2 * MESSAGE_TOKENS, 9 + MESSAGE_TOKENS, 9 + TOOLS_TEMPLATE_TOKENS), True),
        (TemplateCounts(9, 9 + 2 * MESSAGE_TOKENS + 1, 9, 9), False),
        (TemplateCounts(9, 9, 9 + MESSAGE_TOKENS + 1, 9), False),
        (TemplateCounts(9, 9, 9, 9 + TOOLS_TEMPLATE_TOKENS + 1), False),
        (TemplateCounts(70, 90, 40, 60), True),  # a default system prompt gives way to the client's
    ],
)
def test_each_part_of_the_promise_is_measured(counts: TemplateCounts, is_within: bool) -> None:
    assert template_of(counts).is_within_bound == is_within


@pytest.mark.parametrize("messages", [1, 3, 100])
def test_what_is_within_the_promise_is_within_the_bound(messages: int) -> None:
    """The largest template that passes, and contents that cost a token for each byte."""
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "ab"}] * messages}
    asked = parse_chat_request(httpx.Request("POST", "/", json=body).content, CompletionLimits(1, 1))
    assert TEMPLATE_TOKENS + messages * (MESSAGE_TOKENS + len("ab")) <= asked.tokens_prompt_bound
