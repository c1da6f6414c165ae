"""An operator's changes over internal HTTP: what is answered, and that a repeated id changes nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from redis.asyncio import Redis

from services.metering.entrypoints.changes import changes_routes
from services.metering.tests.asking import TOKEN
from services.metering.tests.building import Books
from services.metering.tests.gateway import Gateway
from shared.api_keys import new_account_id
from shared.clock import utc_now
from shared.http.shell import Readiness, create_app
from shared.ids import AccountId, new_uuid7
from tests.support.tcp_proxy import TcpProxy


class Changes:
    """The routes by themselves, and how often they woke the mirror."""

    def __init__(self, books: Books, redis: Redis) -> None:
        self.commits = 0
        self._app = create_app("metering", lifespan=_nothing, readiness=Readiness())
        tokens = (SecretStr(TOKEN),)
        self._app.include_router(changes_routes(books.pool, redis, tokens, on_commit=self._count))

    async def ask(
        self, account_id: AccountId, what: str, body: dict[str, Any], token: str = TOKEN
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://metering") as client:
            return await client.post(f"/internal/accounts/{account_id}/{what}", json=body, headers=headers)

    def _count(self) -> None:
        self.commits += 1


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
def changes(books: Books, redis: Redis) -> Changes:
    return Changes(books, redis)


def adjustment(delta: int) -> dict[str, Any]:
    return {"adjustment_id": str(new_uuid7()), "delta": delta, "reason": "asked for by mail"}


def grant(tokens: int = 500, *, days: float = 3) -> dict[str, Any]:
    ends_at = utc_now() + timedelta(days=days)
    return {
        "grant_id": str(new_uuid7()),
        "tokens": tokens,
        "expires_at": ends_at.isoformat(),
        "reason": "a workshop",
    }


def error_of(reply: httpx.Response) -> tuple[int, str, str | None]:
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["param"]


async def test_an_adjustment_answers_the_balance_after_it_and_is_done_once(
    changes: Changes, books: Books, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100)
    for delta, paid in ((500, 500), (-200, 300)):
        asked = adjustment(delta)
        for _ in range(2):
            reply = await changes.ask(account_id, "adjust", asked)
            assert reply.status_code == 200
            assert (reply.json()["paid"], reply.json()["available"]) == (paid, paid + 100)
    assert changes.commits == 4


async def test_a_deduction_of_more_than_the_paid_balance_is_refused(
    changes: Changes, books: Books, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    reply = await changes.ask(account_id, "adjust", adjustment(-501))
    assert error_of(reply) == (400, "insufficient_balance", "delta")
    assert "500" in reply.json()["error"]["message"]


@pytest.mark.parametrize("delta", [0, 10**15, -(10**15)])
async def test_a_delta_that_can_not_be_meant_is_refused(changes: Changes, books: Books, delta: int) -> None:
    reply = await changes.ask(await books.open_account(), "adjust", adjustment(delta))
    assert reply.status_code == 400


async def test_without_redis_a_deduction_is_unavailable_and_an_addition_works(
    books: Books, redis_url: str, gateway: Gateway
) -> None:
    account_id = await gateway.open_account(books, trial=100, paid=500)
    async with TcpProxy(redis_url) as line, Redis.from_url(line.url) as through:
        await line.cut()
        changes = Changes(books, through)
        reply = await changes.ask(account_id, "adjust", adjustment(-200))
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert (await changes.ask(account_id, "adjust", adjustment(70))).json()["paid"] == 570


async def test_a_grant_ends_and_is_given_once(changes: Changes, books: Books) -> None:
    account_id, asked = await books.open_account(trial=None), grant(500)
    for _ in range(2):
        reply = await changes.ask(account_id, "grants", asked)
        assert reply.status_code == 200
        assert (reply.json()["trial"], reply.json()["paid"]) == (500, 0)
        assert reply.json()["trial_expires_at"] is not None
    assert (await books.stored(account_id)).entries == [("grant", 500)]


async def test_a_grant_that_has_ended_already_is_refused(changes: Changes, books: Books) -> None:
    reply = await changes.ask(await books.open_account(), "grants", grant(days=-1))
    assert error_of(reply) == (400, "ends_in_the_past", "expires_at")


async def test_an_id_of_another_accounts_grant_is_refused(changes: Changes, books: Books) -> None:
    asked = grant()
    await changes.ask(await books.open_account(), "grants", asked)
    reply = await changes.ask(await books.open_account(), "grants", asked)
    assert error_of(reply) == (400, "id_taken", "grant_id")


@pytest.mark.parametrize(("what", "body"), [("adjust", adjustment(5)), ("grants", grant())])
async def test_an_account_that_the_ledger_does_not_know_is_404(
    changes: Changes, what: str, body: dict[str, Any]
) -> None:
    reply = await changes.ask(new_account_id(), what, body)
    assert error_of(reply) == (404, "account_unknown", None)


@pytest.mark.parametrize(("what", "body"), [("adjust", adjustment(5)), ("grants", grant())])
async def test_nobody_outside_the_system_changes_anything(
    changes: Changes, books: Books, what: str, body: dict[str, Any]
) -> None:
    account_id = await books.open_account()
    assert (await changes.ask(account_id, what, body, token="guess")).status_code == 403
    assert (await books.stored(account_id)).entries == [("grant", 1000)]
