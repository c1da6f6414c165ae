"""A gateway that stood still, and finds its holds swept: it ends what it ran, and corrects what was charged."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.support.accounts import Account, available, has_holds, held, two_checkpoints
from services.gateway.tests.support.chat import (
    CHAT,
    QUESTION,
    STREAMED,
    chunks_in,
    error_of,
    until_generating,
)
from services.gateway.tests.support.usage import UsageListener
from services.gateway.use_cases import lease
from services.gateway.use_cases.lease import Lease
from shared.admission.keys import AccountKeys
from shared.admission.sweep import Swept, sweep
from shared.contracts.gateway import REVISION_SERVED, REVISION_SWEPT, Outcome, UsageRecord
from shared.ids import RequestId
from tests.support.eventually import eventually
from tests.support.upstream import Script, StandInUpstream

TOKENS = 100_000


@pytest.fixture
def stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the gateway every checkpoint is long ago."""
    monkeypatch.setattr(lease, "STANDSTILL_SECONDS", -1.0)


async def sweep_it(redis: Redis, account: Account) -> RequestId:
    names: Any = await redis.hkeys(AccountKeys(account.account_id).holds)
    request_id = RequestId(names[0].decode())

    async def swept() -> bool:
        """A checkpoint between its look and its step makes a sweep change nothing."""
        answer = await sweep(redis, account.account_id, request_id, older_than_seconds=-1)
        return isinstance(answer, Swept)

    await eventually(swept)
    return request_id


async def records_of(usage: UsageListener, request_id: str, count: int) -> list[UsageRecord]:
    async def published() -> list[UsageRecord]:
        records = [record for record in usage.records() if str(record.request_id) == request_id]
        return records if len(records) == count else []

    return await eventually(published)


@pytest.mark.usefixtures("stood_still")
async def test_a_stream_is_cut_delivers_no_more_and_its_charge_is_corrected(
    gateway: httpx.AsyncClient, account: Account, redis: Redis, upstream: StandInUpstream,
    usage: UsageListener,
) -> None:  # fmt: skip
    upstream.script = Script(pauses_after=3)
    async with gateway.stream("POST", CHAT, json=STREAMED, headers=account.headers) as reply:
        lines, heard = reply.aiter_lines(), 0
        while heard < 3:
            heard += '"content":"' in await anext(lines)
        request_id = await sweep_it(redis, account)
        upstream.resume.set()
        text = "\n".join([line async for line in lines])
    assert chunks_in(text)[-1]["error"]["code"] == "upstream_error"
    assert "[DONE]" not in text
    first, last = await records_of(usage, request_id, 2)
    assert (first.revision, last.revision) == (REVISION_SWEPT, REVISION_SERVED)
    assert (last.tokens_completion, last.outcome) == (3, Outcome.LOST)
    assert await held(redis, account) == 0


@pytest.mark.usefixtures("stood_still")
async def test_a_whole_answer_is_withheld_and_costs_nothing(
    gateway: httpx.AsyncClient, account: Account, redis: Redis, upstream: StandInUpstream,
    usage: UsageListener,
) -> None:  # fmt: skip
    upstream.script = Script(pauses_after=0)
    asking = asyncio.create_task(gateway.post(CHAT, json=QUESTION, headers=account.headers))
    await until_generating(upstream)
    request_id = await sweep_it(redis, account)
    upstream.resume.set()
    reply = await asking
    assert (reply.status_code, error_of(reply)["code"]) == (503, "overloaded")
    assert int(reply.headers["retry-after"]) > 0
    [record] = await records_of(usage, request_id, 1)
    assert (record.tokens, record.outcome, record.revision) == (0, Outcome.LOST, REVISION_SWEPT)
    assert await available(redis, account) == TOKENS


async def test_a_whole_call_is_heard_of_with_every_checkpoint_too(
    gateway: httpx.AsyncClient, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    upstream.script = Script(pauses_after=0)
    asking = asyncio.create_task(gateway.post(CHAT, json=QUESTION, headers=account.headers))
    await has_holds(redis, account, 1)
    await two_checkpoints(redis, account)
    upstream.resume.set()
    assert (await asking).status_code == 200


@pytest.mark.usefixtures("stood_still")
@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_what_was_not_swept_goes_on_after_the_next_checkpoint(
    body: dict[str, Any], gateway: httpx.AsyncClient, account: Account
) -> None:
    assert (await gateway.post(CHAT, json=body, headers=account.headers)).status_code == 200


async def test_it_speaks_for_its_requests_as_long_as_its_last_question_is_young() -> None:
    now, held_lease = time.monotonic(), Lease()
    assert held_lease.is_fresh
    held_lease.renew(asked_at=now)
    await held_lease.until_fresh()
    held_lease.renew(asked_at=now - lease.STANDSTILL_SECONDS)
    waiting = asyncio.create_task(held_lease.until_fresh())
    await asyncio.wait({waiting}, timeout=0.01)
    assert not waiting.done()
    held_lease.renew(asked_at=now)  # it was on its way while the process stood still
    await asyncio.wait({waiting}, timeout=0.01)
    assert not waiting.done()
    held_lease.renew(asked_at=time.monotonic())
    await waiting
