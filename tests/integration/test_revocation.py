"""A key is replaced, or its person deleted, in the middle of an answer: on every gateway it works no longer."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.fleet import GATEWAYS, Fleet
from tests.support.ledger import Ledger, Usage
from tests.support.listening import Listening
from tests.support.mixed_load import CHAT
from tests.support.newcomers import Newcomer
from tests.support.person import Person

ENDS_WITHIN_SECONDS = 1.0
PACE_MS = 80
ANSWER_TOKENS = 1000


async def register_again(_: Fleet, person: Person) -> None:
    async with person.browser() as browser:
        page = await browser.post("/register", data={"email": person.address})
    assert page.status_code == 200, page.text


async def delete(fleet: Fleet, person: Person) -> None:
    async with httpx.AsyncClient(base_url=fleet.stack.base_url) as operator:
        panel = await operator.get("/admin", params={"key": fleet.stack.admin_key})
        row = panel.text[panel.text.index(person.address) :]
        found = re.search(r'name="user_id" value="(\d+)"', row)
        assert found is not None
        form = {"key": fleet.stack.admin_key, "user_id": found[1]}
        reply = await operator.post("/admin/delete", data=form)
        assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("end_it", [register_again, delete])
async def test_new_requests_stop_and_the_running_stream_ends_within_a_second(
    end_it: Callable[[Fleet, Person], Awaitable[None]], fleet: Fleet
) -> None:
    person = Person(fleet.stack.base_url, fleet.stack.mails)
    await person.register()
    await person.ask(messages=[{"role": "user", "content": "Hi @" + '{"name": "first"}'}])
    newcomer = Newcomer(person.key)
    body = newcomer.next_body(ANSWER_TOKENS, stream=True, tokens=ANSWER_TOKENS, pace_ms=PACE_MS)
    stream = Listening(fleet.url("gateway-3"), newcomer, body)
    await eventually(lambda: _has_begun(stream), within_seconds=10)

    await end_it(fleet, person)
    ended_at = time.monotonic()
    assert await _statuses(fleet, newcomer) == {401}
    await stream.finished
    assert time.monotonic() - ended_at < ENDS_WITHIN_SECONDS
    assert stream.end == "error"
    row = await eventually(lambda: _revoked(fleet, newcomer), within_seconds=10)
    assert row is not None
    assert 0 <= row.tokens_completion - len(stream.received_at) <= 1


async def _has_begun(stream: Listening) -> bool:
    return len(stream.received_at) >= 5


async def _statuses(fleet: Fleet, newcomer: Newcomer) -> set[int]:
    async with httpx.AsyncClient() as client:
        calls = [
            client.post(fleet.url(gateway) + CHAT, json=newcomer.smallest_body(), headers=newcomer.headers)
            for gateway in GATEWAYS
        ]
        return {reply.status_code for reply in await asyncio.gather(*calls)}


async def _revoked(fleet: Fleet, newcomer: Newcomer) -> Usage | None:
    rows = await Ledger(fleet.stack.backing.postgres).usage([newcomer.account_id])
    return next((row for row in rows if row.outcome == "revoked"), None)
