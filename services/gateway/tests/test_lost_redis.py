"""Redis is emptied, or restarted: what was held is held again, what was spent is spent, streams go on."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from services.gateway.tests.conftest import SurroundingFactory
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED, TOKENS_PROMPT, until_generating
from services.gateway.tests.support.losses import LOSSES, Loss, empty
from services.gateway.tests.support.usage import UsageListener
from services.gateway.use_cases import unconfirmed
from shared.admission.mirror import WAIT_BEFORE_OPENING_MS
from shared.admission.sequences import read_sequences, write_sequence
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy
from tests.support.upstream import PARIS, Script, StandInUpstream

TOKENS = 10_000
TOKENS_OF_ONE = TOKENS_PROMPT + len(PARIS)

every_loss = pytest.mark.parametrize("lose", LOSSES, ids=lambda loss: loss.__name__)


@pytest.fixture
async def amqp_line(amqp_url: str) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(amqp_url) as line:
        yield line


@every_loss
async def test_a_running_stream_survives_and_is_charged_once(
    lose: Loss, start_surrounding: SurroundingFactory, upstream: StandInUpstream, usage: UsageListener
) -> None:
    at = await start_surrounding()
    account = at.account(tokens=TOKENS)
    assert (await at.balance(account))["available"] == TOKENS
    at.server.copy_file()
    assert (await at.gateway.post(CHAT, json=QUESTION, headers=account.headers)).status_code == 200
    upstream.script, upstream.generations = Script(pauses_after=3), []
    stream = asyncio.create_task(at.gateway.post(CHAT, json=STREAMED, headers=account.headers))
    await until_generating(upstream)
    held = (await at.balance(account))["held"]

    await lose(at)
    after = await at.balance(account)
    assert (after["held"], after["available"]) == (held, TOKENS - TOKENS_OF_ONE - held)

    upstream.resume.set()
    reply = await stream
    assert reply.text.endswith("data: [DONE]\n\n")
    assert (await usage.record_of(reply.headers["x-request-id"])).tokens == TOKENS_OF_ONE

    async def is_charged_once() -> bool:
        balance = await at.balance(account)
        return (balance["available"], balance["held"]) == (TOKENS - 2 * TOKENS_OF_ONE, 0)

    await eventually(is_charged_once)
    assert at.owners.posted(account) == TOKENS - 2 * TOKENS_OF_ONE


@every_loss
async def test_what_only_this_gateway_knows_to_be_spent_cannot_be_spent_again(
    lose: Loss, start_surrounding: SurroundingFactory, amqp_line: TcpProxy, usage: UsageListener
) -> None:
    """The bus is away, so that the ledger knows nothing of it."""
    at = await start_surrounding(amqp_url=amqp_line.url)
    account = at.account(tokens=TOKENS_OF_ONE)
    assert (await at.balance(account))["available"] == TOKENS_OF_ONE
    at.server.copy_file()
    await amqp_line.cut()
    first = await at.gateway.post(CHAT, json=QUESTION, headers=account.headers)
    assert first.status_code == 200
    assert at.owners.posted(account) == TOKENS_OF_ONE

    await lose(at)
    assert (await at.gateway.post(CHAT, json=QUESTION, headers=account.headers)).status_code == 402

    await amqp_line.mend()
    await usage.record_of(first.headers["x-request-id"])
    assert at.owners.posted(account) == 0
    assert (await at.balance(account))["available"] == 0


async def test_no_account_opens_before_all_is_told_again_however_long_that_takes(
    start_surrounding: SurroundingFactory, amqp_line: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unconfirmed, "INTERVAL_SECONDS", WAIT_BEFORE_OPENING_MS / 1000 + 0.8)
    at = await start_surrounding(amqp_url=amqp_line.url)
    account = at.account(tokens=TOKENS)
    await amqp_line.cut()
    assert (await at.gateway.post(CHAT, json=QUESTION, headers=account.headers)).status_code == 200
    await empty(at)
    assert (await at.balance(account))["available"] == TOKENS - TOKENS_OF_ONE


async def test_what_redis_forgets_twice_is_told_twice(
    start_surrounding: SurroundingFactory, amqp_line: TcpProxy
) -> None:
    at = await start_surrounding(amqp_url=amqp_line.url)
    account = at.account(tokens=TOKENS)
    await amqp_line.cut()
    assert (await at.gateway.post(CHAT, json=QUESTION, headers=account.headers)).status_code == 200
    for _ in range(2):
        await empty(at)
        assert (await at.balance(account))["available"] == TOKENS - TOKENS_OF_ONE


@every_loss
async def test_cold_keys_work_at_the_first_call_after_it(
    lose: Loss, start_surrounding: SurroundingFactory
) -> None:
    at = await start_surrounding()
    account = at.account(tokens=TOKENS)
    await at.balance(account)
    at.server.copy_file()
    await lose(at)
    began_at = time.monotonic()
    assert (await at.gateway.post(CHAT, json=QUESTION, headers=account.headers)).status_code == 200
    assert time.monotonic() - began_at < 3


async def test_many_who_wait_for_an_account_ask_for_it_once(start_surrounding: SurroundingFactory) -> None:
    at = await start_surrounding()
    account = at.account(tokens=1_000_000)
    await at.balance(account)
    await empty(at)
    asked_before = at.owners.asked_for_accounts
    calls = [at.gateway.post(CHAT, json=QUESTION, headers=account.headers) for _ in range(30)]
    assert {reply.status_code for reply in await asyncio.gather(*calls)} == {200}
    assert at.owners.asked_for_accounts - asked_before < 15


async def test_an_account_that_stays_closed_is_503_after_a_bounded_wait(
    start_surrounding: SurroundingFactory, upstream: StandInUpstream
) -> None:
    at = await start_surrounding()
    account = at.account(tokens=TOKENS)
    await at.balance(account)
    await empty(at)
    await write_sequence(at.redis, "gone, before its last batch was posted", 1)
    began_at = time.monotonic()
    reply = await at.gateway.post(CHAT, json=QUESTION, headers=account.headers)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert time.monotonic() - began_at < 4
    assert upstream.generations == []


async def test_the_last_published_batch_is_told_with_every_tick(
    start_surrounding: SurroundingFactory, usage: UsageListener
) -> None:
    at = await start_surrounding()
    account = at.account(tokens=TOKENS)
    reply = await at.gateway.post(CHAT, json=QUESTION, headers=account.headers)
    record = await usage.record_of(reply.headers["x-request-id"])
    [event] = [event for event in usage.events if record in event.records]

    async def is_told() -> bool:
        return (await read_sequences(at.redis)).get(event.gateway) == event.sequence

    await eventually(is_told)
    await empty(at)
    await eventually(is_told)
