"""KEY_RECOVERY=confirm: a known address gets a link, and only the button behind it replaces the key."""

import json
import statistics
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from redis.asyncio import Redis

from services.accounts.tests.accounts_process import PRIVATE_KEY, Accounts, serving
from services.accounts.tests.conftest import SettingsFactory
from shared.contracts.accounts import RecoveryRequested
from shared.sealing import unseal


@pytest.fixture
async def confirming(settings_with: SettingsFactory, redis: Redis) -> AsyncIterator[Accounts]:
    async with serving(settings_with(key_recovery="confirm"), redis) as accounts:
        yield accounts


async def links_of(accounts: Accounts, email: str) -> list[str]:
    rows = await accounts.database.fetch(
        "SELECT body FROM outbox WHERE type = $1 ORDER BY id", RecoveryRequested.TYPE
    )
    events = [RecoveryRequested.model_validate(json.loads(row["body"])["data"]) for row in rows]
    mine = [each for each in events if unseal(PRIVATE_KEY, each.sealed_email) == email]
    return [unseal(PRIVATE_KEY, each.sealed_link) for each in mine]


async def token_of(accounts: Accounts, email: str) -> str:
    link = (await links_of(accounts, email))[-1]
    assert link.startswith("https://promptly.test/register/confirm?token=")
    return parse_qs(urlsplit(link).query)["token"][0]


async def confirm(accounts: Accounts, token: str) -> Any:
    return await accounts.http.post("/register/confirm", data={"token": token})


async def test_the_old_key_lives_until_the_button_is_pressed(confirming: Accounts) -> None:
    old = await confirming.new_key("sure@example.com")
    await confirming.register("sure@example.com")
    token = await token_of(confirming, "sure@example.com")
    page = await confirming.http.get("/register/confirm", params={"token": token})
    assert (page.status_code, page.headers["referrer-policy"]) == (200, "no-referrer")
    assert await confirming.state_of(old) == "active"
    assert (await confirm(confirming, token)).status_code == 200
    new = (await confirming.keys_of("sure@example.com"))[-1]
    assert (await confirming.state_of(old), await confirming.state_of(new)) == ("revoked", "active")
    assert (await confirming.keys_issued("sure@example.com"))[-1].reason == "recovered"


async def test_a_link_works_once_and_ends_the_others(confirming: Accounts) -> None:
    await confirming.new_key("once@example.com")
    for _ in range(2):
        await confirming.register("once@example.com")
    tokens = [link.rpartition("=")[2] for link in await links_of(confirming, "once@example.com")]
    assert [(await confirm(confirming, token)).status_code for token in (*tokens, tokens[0])] == [
        200,
        400,
        400,
    ]


@pytest.mark.parametrize("token", ["", "wrong", "x" * 9000])
async def test_a_link_that_never_was_changes_nothing(confirming: Accounts, token: str) -> None:
    assert (await confirm(confirming, token)).status_code in (400, 413)


async def test_a_link_ends_after_an_hour(confirming: Accounts) -> None:
    await confirming.new_key("late@example.com")
    await confirming.register("late@example.com")
    await confirming.as_owner("UPDATE recoveries SET expires_at = now()")
    page = await confirm(confirming, await token_of(confirming, "late@example.com"))
    assert (page.status_code, "This link has ended" in page.text) == (400, True)


async def test_where_nobody_must_confirm_no_link_works(accounts: Accounts) -> None:
    assert (await confirm(accounts, "x" * 43)).status_code == 400


async def test_the_page_is_the_same_for_new_and_known_addresses(confirming: Accounts) -> None:
    first, second = [await confirming.register("alike@example.com") for _ in range(2)]
    assert (first.status_code, first.text) == (second.status_code, second.text)
    assert len(await confirming.keys_of("alike@example.com")) == 1


async def test_a_link_lies_nowhere_in_clear(confirming: Accounts) -> None:
    await confirming.new_key("hidden@example.com")
    await confirming.register("hidden@example.com")
    token = await token_of(confirming, "hidden@example.com")
    for table in ("recoveries", "outbox"):
        assert token not in str(await confirming.database.fetch(f"SELECT t::text FROM {table} t"))  # noqa: S608


@pytest.mark.timing
@pytest.mark.parametrize("recovery", ["immediate", "confirm"])
async def test_new_and_known_addresses_are_answered_equally_fast(
    settings_with: SettingsFactory, redis: Redis, recovery: str
) -> None:
    async with serving(settings_with(key_recovery=recovery), redis) as accounts:
        await accounts.register("warm@example.com")
        seconds: dict[str, list[float]] = {"new": [], "known": []}
        for number in range(6):
            for kind in seconds:
                began = time.perf_counter()
                await accounts.register(f"{recovery}{number}@example.com")
                seconds[kind].append(time.perf_counter() - began)
    new, known = (statistics.median(seconds[kind]) for kind in ("new", "known"))
    assert abs(new - known) < 0.02
    assert min(new, known) >= 0.1, "answered when the work was done: on a slower machine its cost is seen"
