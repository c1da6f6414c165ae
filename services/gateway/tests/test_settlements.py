"""However the work of an open request ends, its hold ends, once."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from services.gateway.adapters.upstream_http import HttpUpstream
from services.gateway.domain.charge import Ending
from services.gateway.domain.chat_request import parse_chat_request
from services.gateway.domain.chat_stream import ChatStream
from services.gateway.domain.counts import Counts
from services.gateway.domain.generation import CompletionLimits, WholeAnswer
from services.gateway.tests.support.accounts import Account, available, held, nothing_is_held
from services.gateway.tests.support.http_peer import CHUNKED, serving
from services.gateway.use_cases import settle
from services.gateway.use_cases.lease import Lease
from services.gateway.use_cases.open_request import OpenRequest, OpenRequests
from services.gateway.use_cases.relay_stream import StreamRelay
from services.gateway.use_cases.settle import Settlements
from services.gateway.use_cases.slots import UpstreamSlots
from services.gateway.use_cases.tasks import Tasks
from services.gateway.use_cases.unconfirmed import Unconfirmed
from shared.admission.decisions import Admitted, CallKind, HoldRequest, PromptCount
from shared.admission.desk import AdmissionDesk
from shared.api_keys import new_account_id
from shared.clock import utc_now
from shared.contracts.gateway import UsageRecord
from shared.ids import new_request_id
from shared.redis_client import open_redis

BODY = b'{"messages":[{"role":"user","content":"Hi"}]}'


async def never_published(_: UsageRecord) -> None:
    raise AssertionError("Redis takes it")


@pytest.fixture
async def open_requests() -> OpenRequests:
    return OpenRequests()


@pytest.fixture
async def settlements(redis: Redis, open_requests: OpenRequests) -> AsyncIterator[Settlements]:
    tasks, desk = Tasks(), AdmissionDesk(redis)
    async with HttpUpstream("http://127.0.0.1:1", None, timeout_seconds=1) as upstream:
        yield Settlements(
            desk, upstream, open_requests, Unconfirmed(redis, desk), never_published, tasks, utc_now
        )
        await tasks.drain(5)


@pytest.fixture
async def request_(redis: Redis, account: Account, open_requests: OpenRequests) -> OpenRequest:
    key = account.key_record
    asked = HoldRequest(
        new_request_id(), key.digest, key.account_id, "chat", "", CallKind.STREAM, 10, PromptCount.BOUND, 90
    )
    hold = await AdmissionDesk(redis).admit(asked, ip_subject="192.0.2.1", ip_limit=10)
    assert isinstance(hold, Admitted)
    chat = parse_chat_request(BODY, CompletionLimits(90, 90))
    request = OpenRequest(asked.request_id, key.digest, "chat", chat, hold)
    open_requests.add(request)
    return request


async def test_work_that_is_cancelled_before_its_first_step_releases_its_hold(
    settlements: Settlements,
    request_: OpenRequest,
    open_requests: OpenRequests,
    redis: Redis,
    account: Account,
) -> None:
    assert await held(redis, account) == 100
    settlements.run(request_, asyncio.sleep(10)).cancel()
    await nothing_is_held(redis, account)
    assert await available(redis, account) == 100_000
    assert open_requests.checkpoints() == []


class Nobody:
    """Listens."""

    async def begin(self) -> None:
        raise AssertionError("it only waits")

    is_ready = False

    def pass_on(self, _: bytes) -> None:
        raise AssertionError("it only waits")

    async def send(self, _: bytes) -> None:
        raise AssertionError("it only waits")


class NoSlots:
    """Everybody waits."""

    def slot(self, _: str) -> "NoSlots":
        return self

    async def __aenter__(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def __aexit__(self, *_: object) -> None:
        raise AssertionError("nobody was let in")


async def test_work_that_is_closed_like_a_generator_releases_its_hold(
    settlements: Settlements, request_: OpenRequest, redis: Redis, account: Account
) -> None:
    """As an interpreter does with what nobody runs any more: GeneratorExit, and no step after it."""
    async with HttpUpstream("http://127.0.0.1:1", None, timeout_seconds=1) as upstream:
        relay = StreamRelay(upstream, cast("UpstreamSlots", NoSlots()), settlements, Lease())
        request_.stream = stream = ChatStream(include_usage=False)
        work = relay.relay(request_, stream, Nobody())
        work.send(None)
        work.close()
    await nothing_is_held(redis, account)
    assert await available(redis, account) == 100_000


class Client:
    """Listens; notes by which way each piece came to it."""

    def __init__(self, *, is_ready: bool) -> None:
        self.is_ready = is_ready
        self.passed: list[bytes] = []
        self.sent: list[bytes] = []

    async def begin(self) -> None: ...

    def pass_on(self, data: bytes) -> None:
        self.passed.append(data)

    async def send(self, data: bytes) -> None:
        self.sent.append(data)


def piece(data: bytes) -> bytes:
    event = b"data: %b\n\n" % data
    return b"%x\r\n%b\r\n" % (len(event), event)


@pytest.mark.parametrize("is_ready", [True, False])
async def test_the_middle_of_an_answer_goes_past_the_relay_only_to_who_reads(
    is_ready: bool, settlements: Settlements, request_: OpenRequest, redis: Redis, account: Account
) -> None:
    token = piece(
        b'{"choices":[{"delta":{}}],"model":"m","timings":{"cache_n":0,"prompt_n":1,"predicted_n":2}}'
    )
    client, stream = Client(is_ready=is_ready), ChatStream(include_usage=False)
    request_.stream = stream
    slots = UpstreamSlots(slots=1, length_max=1, timeout_seconds=1)
    async with serving((CHUNKED, *[token] * 5, piece(b"[DONE]") + b"0\r\n\r\n")) as (upstream, _):
        await StreamRelay(upstream, slots, settlements, Lease()).relay(request_, stream, client)
    said = b'data: {"choices":[{"delta":{}}],"model":"m"}\n\n'
    assert b"".join(client.sent[:1] + client.passed + client.sent[1:]) == said * 5 + b"data: [DONE]\n\n"
    assert bool(client.passed) == is_ready
    await nothing_is_held(redis, account)
    assert await available(redis, account) == 100_000 - 3


async def test_so_many_releases_wait_for_a_redis_that_is_away_and_no_more(
    open_requests: OpenRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Redis nobody is limited, and every request that it did not answer would leave one behind."""
    monkeypatch.setattr(settle, "UNANSWERED_MAX", 2)
    monkeypatch.setattr(settle, "RETRY_DELAYS_SECONDS", ())
    tasks, account_id = Tasks(), new_account_id()
    async with (
        open_redis("redis://127.0.0.1:1") as nowhere,
        HttpUpstream("http://127.0.0.1:1", None, timeout_seconds=1) as upstream,
    ):
        desk = AdmissionDesk(nowhere)
        unconfirmed = Unconfirmed(nowhere, desk)
        settlements = Settlements(desk, upstream, open_requests, unconfirmed, never_published, tasks, utc_now)
        for left_at_once in (3, 3):  # those that were given up have made room
            with capture_logs() as told:
                for _ in range(5):
                    settlements.release_unanswered(account_id, new_request_id())
                await tasks.drain(5)
            reasons = [line["reason"] for line in told if line["event"] == "hold_left_to_the_sweeper"]
            assert (len(reasons), reasons.count("too_many_unanswered")) == (5, left_at_once)


async def test_the_first_ending_counts(
    settlements: Settlements, request_: OpenRequest, redis: Redis, account: Account
) -> None:
    request_.stream, request_.whole = None, WholeAnswer(b"", Counts(7, 5, 0, estimated=False), "m")
    first = settlements.end(request_, Ending.COMPLETED)
    assert settlements.end(request_, Ending.NOT_ANSWERED) is first
    await first
    assert await available(redis, account) == 100_000 - 12


async def test_an_upstream_that_cannot_count_the_prompt_costs_nothing(
    settlements: Settlements, request_: OpenRequest, redis: Redis, account: Account
) -> None:
    await settlements.end(request_, Ending.CLIENT_LEFT)
    assert await available(redis, account) == 100_000
    assert await held(redis, account) == 0


async def test_a_client_that_leaves_what_is_being_ended_does_not_interrupt_its_end(
    request_: OpenRequest, settlements: Settlements
) -> None:
    """Closing the upstream takes a moment, and must not be cancelled itself."""
    is_closed = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            is_closed.set()

    running = settlements.run(request_, work())
    await asyncio.sleep(0)
    request_.revoke()
    await asyncio.sleep(0)
    request_.leave()
    await asyncio.wait({running})
    assert is_closed.is_set()
    assert request_.was_revoked
