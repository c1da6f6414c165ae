"""Every row of the who-pays table, with real Redis and RabbitMQ and a client on a real socket."""

import httpx
from redis.asyncio import Redis

from services.gateway.tests.support.accounts import Account, available
from services.gateway.tests.support.usage import UsageListener
from shared.contracts.gateway import Outcome
from tests.support.upstream import MODEL_NAME, StandInUpstream

QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}


async def test_a_whole_answer_is_charged_by_the_upstreams_usage(
    gateway: httpx.AsyncClient,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    reply = await gateway.post("/v1/chat/completions", json=QUESTION, headers=account.headers)
    assert reply.status_code == 200, reply.text
    [generation] = upstream.generations
    tokens = generation.tokens_prompt + generation.tokens_completion
    assert await available(redis, account) == 100_000 - tokens
    record = await usage.record_of(reply.headers["x-request-id"])
    assert record.tokens == tokens == reply.json()["usage"]["total_tokens"]
    assert (record.outcome, record.estimated, record.model) == (Outcome.COMPLETED, False, MODEL_NAME)
