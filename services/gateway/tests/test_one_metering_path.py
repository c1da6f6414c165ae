"""Every route, whole, streamed, left and failing, has the right usage record, and only one; what failed has none."""

import asyncio
from dataclasses import dataclass, replace

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.app import GENERATING
from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, available, nothing_is_held, open_account
from services.gateway.tests.support.chat import error_of, until_generating
from services.gateway.tests.support.routes import BODIES, LAST_WORDS, STREAMING, TOKENS_PROMPT, endpoint_of
from services.gateway.tests.support.usage import UsageListener
from shared.admission.key_records import KeyState, put_key
from shared.contracts.gateway import Outcome, UsageRecord
from tests.support.eventually import eventually
from tests.support.upstream import PARIS, Script, StandInUpstream
from tests.support.upstream_wire import MODEL_NAME

TOKENS = 100_000
every_route = pytest.mark.parametrize("route", BODIES)
every_stream = pytest.mark.parametrize("route", STREAMING)


@dataclass(frozen=True, slots=True)
class Books:
    """What is known of one account afterwards."""

    account: Account
    redis: Redis
    usage: UsageListener

    async def the_record(self) -> UsageRecord:
        """Its only one, as charged."""

        async def published() -> list[UsageRecord]:
            return self._records()

        [record] = await eventually(published)
        await nothing_is_held(self.redis, self.account)
        assert await available(self.redis, self.account) == TOKENS - record.tokens
        return record

    async def show_nothing(self) -> None:
        """No charge, and no record either: none is published once nothing is held."""
        await nothing_is_held(self.redis, self.account)
        assert await available(self.redis, self.account) == TOKENS
        assert self._records() == []

    def _records(self) -> list[UsageRecord]:
        return [one for one in self.usage.records() if one.account_id == self.account.account_id]


@pytest.fixture
async def books(account: Account, redis: Redis, usage: UsageListener) -> Books:
    return Books(account, redis, usage)


def assert_record(record: UsageRecord, route: str, outcome: Outcome, completion: int) -> None:
    assert (record.endpoint, record.model) == (endpoint_of(route), MODEL_NAME)
    assert (record.outcome, record.tokens_prompt) == (outcome, TOKENS_PROMPT)
    assert record.tokens_completion == completion


def test_no_route_is_forgotten() -> None:
    assert GENERATING.keys() == BODIES.keys()


@every_route
async def test_a_whole_answer(
    route: str, gateway: httpx.AsyncClient, account: Account, books: Books, upstream: StandInUpstream
) -> None:
    reply = await gateway.post(route, json=BODIES[route], headers=account.headers)
    assert reply.status_code == 200, reply.text
    record = await books.the_record()
    assert_record(record, route, Outcome.COMPLETED, upstream.generations[0].tokens_completion)
    assert not record.estimated
    assert record.tokens == reply.json()["usage"]["total_tokens"]
    assert str(record.request_id) == reply.headers["x-request-id"]


@every_stream
async def test_a_stream(route: str, gateway: httpx.AsyncClient, account: Account, books: Books) -> None:
    reply = await gateway.post(route, json=STREAMING[route], headers=account.headers)
    assert LAST_WORDS[route] in reply.text
    record = await books.the_record()
    assert_record(record, route, Outcome.COMPLETED, len(PARIS))
    assert not record.estimated


@every_stream
async def test_a_stream_that_is_left(
    route: str, gateway: httpx.AsyncClient, account: Account, books: Books, upstream: StandInUpstream
) -> None:
    upstream.script = Script(pauses_after=4)
    async with gateway.stream("POST", route, json=STREAMING[route], headers=account.headers) as reply:
        async for line in reply.aiter_lines():
            if "France" in line:  # the fourth word
                break
    record = await books.the_record()
    assert_record(record, route, Outcome.CLIENT_DISCONNECTED, 4)
    assert record.estimated


@every_stream
async def test_a_stream_that_is_left_before_its_first_word_costs_its_prompt(
    route: str, gateway: httpx.AsyncClient, account: Account, books: Books, upstream: StandInUpstream
) -> None:
    upstream.script = Script(pauses_after=0)
    asking = asyncio.create_task(gateway.post(route, json=STREAMING[route], headers=account.headers))
    await until_generating(upstream)
    asking.cancel()
    record = await books.the_record()
    assert (record.endpoint, record.outcome) == (endpoint_of(route), Outcome.CLIENT_DISCONNECTED)
    assert (record.tokens_prompt, record.tokens_completion) == (TOKENS_PROMPT, 0)


@every_stream
async def test_a_whole_answer_that_is_left_runs_to_its_end(
    route: str, gateway: httpx.AsyncClient, account: Account, books: Books, upstream: StandInUpstream
) -> None:
    upstream.script = Script(pauses_after=2)
    asking = asyncio.create_task(gateway.post(route, json=BODIES[route], headers=account.headers))
    await until_generating(upstream)
    asking.cancel()
    upstream.resume.set()
    assert_record(await books.the_record(), route, Outcome.COMPLETED, len(PARIS))


@every_stream
@pytest.mark.parametrize(
    "script",
    [Script(dies_after=3), Script(ends_after=3), Script(fails_after=3)],
    ids=["dies", "ends", "fails"],
)
async def test_a_stream_that_breaks_is_told_and_costs_what_was_delivered(
    route: str, script: Script, gateway: httpx.AsyncClient, account: Account, books: Books,
    upstream: StandInUpstream,
) -> None:  # fmt: skip
    upstream.script = script
    reply = await gateway.post(route, json=STREAMING[route], headers=account.headers)
    assert '"code":"upstream_error"' in reply.text.replace('": "', '":"')
    assert LAST_WORDS[route] not in reply.text
    record = await books.the_record()
    assert_record(record, route, Outcome.UPSTREAM_FAILED, 3)
    assert record.estimated


@every_stream
async def test_a_stream_whose_key_is_revoked(
    route: str,
    gateway: httpx.AsyncClient,
    account: Account,
    books: Books,
    redis: Redis,
    upstream: StandInUpstream,
) -> None:
    upstream.script = Script(pauses_after=3)
    key = account.key_record
    async with gateway.stream("POST", route, json=STREAMING[route], headers=account.headers) as reply:
        await put_key(redis, replace(key, state=KeyState.REVOKED, version=key.version + 1))
        assert "invalid_api_key" in (await reply.aread()).decode()
    assert_record(await books.the_record(), route, Outcome.REVOKED, 3)


@every_route
async def test_what_the_upstream_refuses_costs_nothing(
    route: str, gateway: httpx.AsyncClient, account: Account, books: Books, upstream: StandInUpstream
) -> None:
    upstream.script = Script(error=(503, {"code": 503, "message": "Loading model", "type": "unavailable"}))
    reply = await gateway.post(route, json=BODIES[route], headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (503, "model_loading")
    assert reply.headers["retry-after"]
    await books.show_nothing()


@every_route
async def test_what_we_refuse_costs_nothing(
    route: str, gateway: httpx.AsyncClient, account: Account, books: Books, upstream: StandInUpstream
) -> None:
    reply = await gateway.post(route, json=BODIES[route] | {"grammar": "x"}, headers=account.headers)
    assert (reply.status_code, error_of(reply)["param"]) == (400, "grammar")
    assert upstream.generations == []
    await books.show_nothing()


async def test_an_upstream_that_is_not_there_costs_nothing(
    start_gateway: GatewayFactory, account: Account, books: Books
) -> None:
    gateway = await start_gateway(llama_base_url="http://127.0.0.1:1")
    for route, body in (*BODIES.items(), *STREAMING.items()):
        reply = await gateway.post(route, json=body, headers=account.headers)
        assert (reply.status_code, error_of(reply)["code"]) == (502, "upstream_error")
    await books.show_nothing()


@every_route
async def test_who_cannot_pay_is_refused_and_who_can_just_pay_is_counted_exactly(
    route: str, gateway: httpx.AsyncClient, redis: Redis, upstream: StandInUpstream
) -> None:
    poor = await open_account(redis, tokens=TOKENS_PROMPT - 1)
    reply = await gateway.post(route, json=BODIES[route], headers=poor.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (402, "insufficient_quota")
    just = await open_account(redis, tokens=TOKENS_PROMPT + 1)
    reply = await gateway.post(route, json=BODIES[route], headers=just.headers)
    assert reply.status_code == 200, reply.text
    assert upstream.counted == 2
    assert await available(redis, just) == 1 - upstream.generations[0].tokens_completion


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/none", "/v1/balance", "/v1/rerank", "/v1/usage"])
async def test_what_generates_nothing_costs_nothing(
    path: str, gateway: httpx.AsyncClient, account: Account, books: Books, upstream: StandInUpstream
) -> None:
    await gateway.get(path, headers=account.headers)
    assert upstream.generations == []
    await books.show_nothing()
