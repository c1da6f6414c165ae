"""Several keys per account: made, shown once, ended, rotated; what the gateways are told of it."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.accounts.domain.keys import BadTerms, KeyTerms, read_grace, read_terms
from services.accounts.tests.accounts_process import Accounts
from services.accounts.tests.browser import Browser
from shared.clock import utc_now
from tests.support.eventually import eventually

JSON = {"accept": "application/json"}
SHOWN_KEY = re.compile(r'id="new-key">(sk-[0-9A-Za-z]{44})<')


async def made(accounts: Accounts, key: str, **terms: Any) -> dict[str, str]:
    reply = await accounts.http.post("/dashboard/keys", data={"key": key, **terms}, headers=JSON)
    assert reply.status_code == 201, reply.text
    body: dict[str, str] = reply.json()
    return body


async def change(accounts: Accounts, key: str, key_id: str, verb: str, **fields: Any) -> Any:
    path = f"/dashboard/keys/{key_id}/{verb}"
    return await accounts.http.post(path, data={"key": key, **fields}, headers=JSON)


async def id_of(accounts: Accounts, key: str) -> str:
    return (await accounts.record_of(key))["key_id"]


async def test_a_key_is_shown_once_and_works_at_once(accounts: Accounts) -> None:
    browser = Browser(accounts)
    await browser.sign_in(await accounts.new_key("make@example.com"))
    page = await browser.submit("/dashboard/keys", name="laptop", days="")
    found = SHOWN_KEY.search(page.text)
    assert found is not None
    assert page.headers["cache-control"] == "no-store"
    assert await accounts.state_of(found[1]) == "active"
    after = (await browser.dashboard()).text
    assert "laptop" in after
    assert found[1] not in after


async def test_keys_of_the_dashboard_and_their_sessions_live_on_when_the_address_registers_again(
    accounts: Accounts,
) -> None:
    browser, mailed = Browser(accounts), await accounts.new_key("live@example.com")
    own = (await made(accounts, mailed, name="server"))["key"]
    await browser.sign_in(own)
    await accounts.new_key("live@example.com")
    assert (await accounts.state_of(mailed), await accounts.state_of(own)) == ("revoked", "active")
    assert await browser.is_signed_in_as("live@example.com")


async def test_a_revoked_key_is_refused_at_once_and_its_session_ends(accounts: Accounts) -> None:
    browser, key = Browser(accounts), await accounts.new_key("revoke@example.com")
    await browser.sign_in(key)
    reply = await browser.submit(f"/dashboard/keys/{await id_of(accounts, key)}/revoke")
    assert (reply.status_code, reply.headers["location"]) == (303, "/dashboard#keys")
    assert await accounts.state_of(key) == "revoked"
    assert "Your session has ended" in (await browser.dashboard()).text


async def test_a_rotated_key_works_beside_its_successor_until_the_grace_is_over(accounts: Accounts) -> None:
    old = await accounts.new_key("rotate@example.com")
    reply = await change(accounts, old, await id_of(accounts, old), "rotate", hours="1")
    new = reply.json()["key"]
    assert (await accounts.state_of(old), await accounts.state_of(new)) == ("active", "active")
    ends_at = await accounts.database.fetchval(
        "SELECT expires_at FROM api_keys WHERE key_id = $1", await id_of(accounts, old)
    )
    assert abs(ends_at - utc_now() - timedelta(hours=1)) < timedelta(minutes=1)
    assert (await accounts.record_of(old))["expires_at"] == str(round(ends_at.timestamp() * 1000))


@pytest.mark.timing
async def test_without_grace_the_old_key_ends_within_a_second(accounts: Accounts) -> None:
    old = await accounts.new_key("now@example.com")
    await change(accounts, old, await id_of(accounts, old), "rotate", hours="0")

    async def ended() -> bool:
        return await accounts.state_of(old) == "revoked"

    await eventually(ended, within_seconds=1)


async def test_a_key_ends_at_its_time_here_and_at_the_gateways(accounts: Accounts) -> None:
    mailed = await accounts.new_key("expire@example.com")
    key = (await made(accounts, mailed, name="a week", days="7"))["key"]
    assert (await accounts.http.get("/dashboard", params={"key": key})).status_code == 200
    told = datetime.fromtimestamp(int((await accounts.record_of(key))["expires_at"]) / 1000, UTC)
    assert abs(told - utc_now() - timedelta(days=7)) < timedelta(minutes=1)
    await accounts.as_owner("UPDATE api_keys SET expires_at = now() WHERE name = 'a week'")
    assert (await accounts.http.get("/dashboard", params={"key": key})).status_code == 401

    async def ended() -> bool:
        return await accounts.state_of(key) == "revoked"

    await eventually(ended, within_seconds=1)


async def test_an_account_has_a_bounded_number_of_keys(accounts: Accounts) -> None:
    key = await accounts.new_key("bound@example.com")
    for number in range(19):
        await made(accounts, key, name=f"key {number}")
    reply = await accounts.http.post("/dashboard/keys", data={"key": key}, headers=JSON)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "too_many_keys")


async def test_the_bound_holds_when_many_are_made_at_once(accounts: Accounts) -> None:
    key = await accounts.new_key("race@example.com")
    form = {"key": key, "name": "at once"}
    replies = await asyncio.gather(
        *(accounts.http.post("/dashboard/keys", data=form, headers=JSON) for _ in range(24))
    )
    assert sorted(reply.status_code for reply in replies) == [201] * 19 + [400] * 5


@pytest.mark.parametrize("verb", ["revoke", "rotate"])
async def test_nobody_touches_the_keys_of_another_account(accounts: Accounts, verb: str) -> None:
    mine, theirs = await accounts.new_key("me@example.com"), await accounts.new_key("you@example.com")
    for key_id in (await id_of(accounts, theirs), "no-id"):
        reply = await change(accounts, mine, key_id, verb)
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "key_not_found")
    assert await accounts.state_of(theirs) == "active"


async def test_a_name_is_shown_escaped(accounts: Accounts) -> None:
    key = await accounts.new_key("escape@example.com")
    await made(accounts, key, name="<script>alert(1)</script>")
    page = await accounts.http.get("/dashboard", params={"key": key})
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text


@pytest.mark.parametrize(
    ("name", "days", "read"),
    [
        ("  a   b ", "", KeyTerms("a b", None)),
        ("", "30", KeyTerms("", timedelta(days=30))),
    ],
)
def test_terms_that_can_be_had(name: str, days: str, read: KeyTerms) -> None:
    assert read_terms(name, days) == read


@pytest.mark.parametrize(
    ("name", "days", "field"), [("x" * 61, "", "name"), ("", "8", "days"), ("", "-1", "days")]
)
def test_terms_that_cannot_be_had(name: str, days: str, field: str) -> None:
    terms = read_terms(name, days)
    assert isinstance(terms, BadTerms)
    assert terms.field == field


def test_a_grace_is_one_of_a_few() -> None:
    assert read_grace("24") == timedelta(days=1)
    assert isinstance(read_grace("9000"), BadTerms)
