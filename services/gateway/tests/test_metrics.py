"""What Prometheus is told: every request once, tokens as charged, the state of each part, and nobody's secrets."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory, other_database
from services.gateway.tests.support.accounts import Account, open_account
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED, TOKENS_PROMPT, until_generating
from services.gateway.tests.support.usage import UsageListener
from services.gateway.use_cases import watch_backlog
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy
from tests.support.upstream import PARIS, Script, StandInUpstream

Figures = dict[str, float]


async def figures(gateway: httpx.AsyncClient) -> Figures:
    """By name and labels, as they are written."""
    text = (await gateway.get("/metrics")).text
    return {
        name + "".join(f" {label}={value}" for label, value in sorted(labels.items())): number
        for family in text_string_to_metric_families(text)
        for name, labels, number, *_ in family.samples
        if name.startswith("promptly_gateway_")
    }


async def changes(gateway: httpx.AsyncClient, before: Figures) -> Figures:
    now = await figures(gateway)
    grown = {name: value - before.get(name, 0) for name, value in now.items()}
    return {name.removeprefix("promptly_gateway_"): value for name, value in grown.items() if value}


def requests(route: str, status: int, outcome: str) -> str:
    return f"requests_total endpoint={route} outcome={outcome} status={status}"


async def test_each_request_is_counted_with_its_end_and_its_tokens(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream, usage: UsageListener
) -> None:
    before = await figures(gateway)
    upstream.scripts.extend([Script(), Script(), Script(dies_after=2)])
    for body in (QUESTION, STREAMED, STREAMED):
        reply = await gateway.post(CHAT, json=body, headers=account.headers)
        await usage.record_of(reply.headers["x-request-id"])
    await gateway.post(CHAT, json=QUESTION)
    await gateway.get("/v1/models/anything", headers=account.headers)
    await gateway.get("/v1/never/heard/of")
    grown = await changes(gateway, before)
    assert {name: value for name, value in grown.items() if name.startswith("requests_total")} == {
        requests(CHAT, 200, "completed"): 2,
        requests(CHAT, 200, "upstream_failed"): 1,
        requests(CHAT, 401, "refused"): 1,
        requests("/v1/models/", 404, "refused"): 1,
        requests("other", 404, "refused"): 1,
    }
    assert grown["tokens_total kind=prompt"] == 3 * TOKENS_PROMPT
    assert grown["tokens_total kind=completion"] == 2 * len(PARIS) + 2
    assert grown["time_to_first_byte_seconds_count answer=stream"] == 2
    assert grown["own_overhead_seconds_count answer=whole"] == 1
    assert grown["queue_wait_seconds_count"] == 3


async def test_own_overhead_is_neither_the_queue_nor_the_upstream(
    start_gateway: GatewayFactory, account: Account, upstream: StandInUpstream
) -> None:
    gateway = await start_gateway(upstream_concurrency=1)
    before = await figures(gateway)
    upstream.script = Script(pauses_after=0)
    calls = [asyncio.create_task(gateway.post(CHAT, json=STREAMED, headers=account.headers)) for _ in "ab"]
    await until_generating(upstream)
    asyncio.get_running_loop().call_later(0.5, upstream.resume.set)
    await asyncio.gather(*calls)
    grown = await changes(gateway, before)
    assert grown["time_to_first_byte_seconds_sum answer=stream"] > 0.9
    assert grown["queue_wait_seconds_sum"] > 0.4
    assert grown["own_overhead_seconds_sum answer=stream"] < 0.3


async def test_a_client_that_leaves_is_499(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    before = await figures(gateway)
    upstream.script = Script(pauses_after=1)
    call = asyncio.create_task(gateway.post(CHAT, json=STREAMED, headers=account.headers))
    await until_generating(upstream)
    call.cancel()

    async def is_counted() -> bool:
        return requests(CHAT, 499, "client_disconnected") in await changes(gateway, before)

    await eventually(is_counted)


async def test_tokens_above_the_hold_are_seen_though_nobody_pays_them(
    gateway: httpx.AsyncClient, redis: Redis, upstream: StandInUpstream
) -> None:
    account = await open_account(redis, tokens=50)
    before = await figures(gateway)
    upstream.script = Script(usage={"prompt_tokens": 10, "completion_tokens": 140})
    await gateway.post(CHAT, json=QUESTION, headers=account.headers)
    assert (await changes(gateway, before))["tokens_above_hold_total"] == 100


async def test_the_state_is_what_it_is_in_that_moment(
    start_gateway: GatewayFactory, account: Account, upstream: StandInUpstream
) -> None:
    gateway = await start_gateway(llama_base_url=f"{upstream.url},http://127.0.0.1:1", upstream_concurrency=1)
    upstream.script = Script(pauses_after=0)
    calls = [asyncio.create_task(gateway.post(CHAT, json=STREAMED, headers=account.headers)) for _ in "abc"]
    wanted = {
        "upstream_up upstream=0": 1, "upstream_up upstream=1": 0, "upstream_slots_free upstream=0": 0,
        "queue_length": 2, "running": 1, "holds_open": 3,
    }  # fmt: skip

    async def is_so() -> bool:
        now = await figures(gateway)
        return {name: now[f"promptly_gateway_{name}"] for name in wanted} == wanted

    await eventually(is_so)
    upstream.resume.set()
    await asyncio.gather(*calls)


async def test_what_rabbitmq_has_not_confirmed_is_seen_with_its_age(
    amqp_url: str,
    start_gateway: GatewayFactory,
    redis_url: str,
    other_redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_backlog, "INTERVAL_SECONDS", 0.02)
    account = await open_account(other_redis, tokens=100_000)
    async with TcpProxy(amqp_url) as line:
        gateway = await start_gateway(amqp_url=line.url, redis_url=other_database(redis_url))
        await line.cut()
        await gateway.post(CHAT, json=QUESTION, headers=account.headers)

        def shows(is_right: Callable[[Figures], bool]) -> Callable[[], Awaitable[bool]]:
            async def check() -> bool:
                return is_right(await figures(gateway))

            return check

        name = "promptly_gateway_settlements_"
        await eventually(
            shows(lambda now: now[f"{name}unconfirmed"] >= 1 and now[f"{name}oldest_age_seconds"] > 0)
        )
        await eventually(shows(lambda now: now["promptly_gateway_publish_errors_total"] >= 1))
        assert (await figures(gateway))["promptly_gateway_journal_records"] >= 1
        await line.mend()
        await eventually(shows(lambda now: now[f"{name}oldest_age_seconds"] == 0), within_seconds=10)


async def test_no_key_account_prompt_or_address_is_in_it(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    body = STREAMED | {"messages": [{"role": "user", "content": "canary-in-the-prompt"}]}
    await gateway.post(CHAT, json=body, headers=account.headers)
    await gateway.get("/v1/canary-in-the-path", headers=account.headers)
    text = (await gateway.get("/metrics")).text
    for secret in ("canary", account.key, account.account_id, account.key_record.key_id, f":{upstream.port}"):
        assert secret not in text
