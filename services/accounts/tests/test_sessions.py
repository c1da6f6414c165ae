"""Who is signed in, and by what: the cookie, the `?key=`, the Origin and the form token."""

from hashlib import sha256

import httpx
import pytest
from redis.asyncio import Redis

from services.accounts.adapters.sessions_postgres import forget_ended
from services.accounts.tests.accounts_process import Accounts, serving
from services.accounts.tests.browser import FOREIGN_FORM, OWN_FORM, SESSION, Browser
from services.accounts.tests.conftest import SettingsFactory
from services.accounts.tests.test_internal import AUTHORIZED
from shared.clock import utc_now


async def test_a_form_signs_in_and_reloading_sends_no_key(accounts: Accounts) -> None:
    browser, key = Browser(accounts), await accounts.new_key("in@example.com")
    reply = await accounts.http.post("/dashboard", data={"key": key}, headers=OWN_FORM)
    assert (reply.status_code, reply.headers["location"]) == (303, "/dashboard")
    assert await browser.is_signed_in_as("in@example.com")


async def test_the_cookie_is_closed_to_scripts_and_to_other_sites(accounts: Accounts) -> None:
    key = await accounts.new_key("cookie@example.com")
    cookie = (await accounts.http.get("/dashboard", params={"key": key})).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert key not in cookie


async def test_on_a_plain_private_address_the_cookie_still_works(accounts: Accounts) -> None:
    key = await accounts.new_key("plain@example.com")
    reply = await accounts.http.get("/dashboard", params={"key": key}, headers={"host": "100.64.0.1:8503"})
    assert "Secure" not in reply.headers["set-cookie"]


async def test_a_session_is_stored_only_as_a_digest(accounts: Accounts) -> None:
    browser = Browser(accounts)
    await browser.sign_in(await accounts.new_key("digest@example.com"))
    assert browser.session
    stored = await accounts.database.fetchval("SELECT string_agg(s::text, ' ') FROM sessions s")
    assert browser.session not in stored
    assert sha256(browser.session.encode()).hexdigest() in stored


@pytest.mark.parametrize("site", [None, "none", "same-origin"])
async def test_a_key_in_the_address_signs_in_where_the_visitor_chose_it(
    accounts: Accounts, site: str | None
) -> None:
    key = await accounts.new_key("chosen@example.com")
    headers = {"sec-fetch-site": site} if site else {}
    page = await accounts.http.get("/dashboard", params={"key": key}, headers=headers)
    assert (page.status_code, SESSION in page.headers["set-cookie"]) == (200, True)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_of_another_site_signs_nobody_in(accounts: Accounts, site: str) -> None:
    key = await accounts.new_key("link@example.com")
    page = await accounts.http.get("/dashboard", params={"key": key}, headers={"sec-fetch-site": site})
    assert page.status_code == 200
    assert "link@example.com" in page.text
    assert "set-cookie" not in page.headers
    assert "form_token" not in page.text


@pytest.mark.parametrize("headers", [FOREIGN_FORM, {"origin": "https://evil.test"}, {"origin": "null"}])
async def test_a_form_of_another_site_signs_nobody_in(accounts: Accounts, headers: dict[str, str]) -> None:
    key = await accounts.new_key("csrf@example.com")
    page = await accounts.http.post("/dashboard", data={"key": key}, headers=headers)
    assert page.status_code == 200
    assert "set-cookie" not in page.headers


async def test_another_accounts_session_is_never_replaced(accounts: Accounts) -> None:
    browser = Browser(accounts)
    mine, theirs = await accounts.new_key("mine@example.com"), await accounts.new_key("theirs@example.com")
    await browser.sign_in(mine)
    for reply in (
        await accounts.http.get("/dashboard", params={"key": theirs}),
        await accounts.http.post("/dashboard", data={"key": theirs}, headers=OWN_FORM),
    ):
        assert reply.status_code == 200
        assert "set-cookie" not in reply.headers
        assert "Another account is signed in here" in reply.text
        assert "form_token" not in reply.text
    assert await browser.is_signed_in_as("mine@example.com")


async def test_signing_out_ends_the_session_itself(accounts: Accounts) -> None:
    browser = Browser(accounts)
    await browser.sign_in(await accounts.new_key("out@example.com"))
    session = browser.session
    assert session
    assert (await browser.submit("/dashboard/sign-out")).status_code == 303
    assert browser.session is None
    accounts.http.cookies.set(SESSION, session, domain="promptly.test")
    assert "Your session has ended" in (await browser.dashboard()).text


async def test_a_session_ends_with_its_key(accounts: Accounts) -> None:
    browser = Browser(accounts)
    await browser.sign_in(await accounts.new_key("ends@example.com"))
    await accounts.new_key("ends@example.com")
    assert "Your session has ended" in (await browser.dashboard()).text


async def test_a_session_ends_with_its_time(accounts: Accounts) -> None:
    browser = Browser(accounts)
    await browser.sign_in(await accounts.new_key("time@example.com"))
    owner = "UPDATE sessions SET expires_at = now() - interval '1 second'"
    await accounts.as_owner(owner)
    assert "Your session has ended" in (await browser.dashboard()).text


async def test_programs_do_not_crowd_out_the_browser_somebody_is_signed_in_with(accounts: Accounts) -> None:
    browser, key = Browser(accounts), await accounts.new_key("many@example.com")
    await browser.sign_in(key)
    session = browser.session
    assert session
    for _ in range(22):
        accounts.http.cookies.clear()
        await accounts.http.get("/dashboard", params={"key": key})
    kept = await accounts.database.fetchval("SELECT count(*) FROM sessions WHERE account_id = $1", key[3:11])
    assert kept == 20
    accounts.http.cookies.clear()
    accounts.http.cookies.set(SESSION, session, domain="promptly.test")
    assert await browser.is_signed_in_as("many@example.com")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "https://promptly.test.evil.test"},
        {"origin": "https://promptly.test:444"},
    ],
)
async def test_a_form_by_cookie_needs_our_own_origin(accounts: Accounts, headers: dict[str, str]) -> None:
    browser = Browser(accounts)
    await browser.sign_in(await accounts.new_key("origin@example.com"))
    for path in ("/dashboard/sign-out", "/dashboard/keys"):
        assert (await browser.submit(path, headers=headers)).status_code == 403
    assert await browser.is_signed_in_as("origin@example.com")


async def test_another_site_signs_nobody_out_with_a_key_of_its_own(accounts: Accounts) -> None:
    """Such a form comes without our cookie; the answer must not take it away either."""
    key = await accounts.new_key("mallory@example.com")
    reply = await accounts.http.post("/dashboard/sign-out", data={"key": key}, headers=FOREIGN_FORM)
    assert (reply.status_code, "set-cookie" in reply.headers) == (401, False)


async def test_a_page_without_referrer_is_our_own_on_the_browsers_word(accounts: Accounts) -> None:
    browser, as_browsers_do = Browser(accounts), {"origin": "null", "sec-fetch-site": "same-origin"}
    await browser.sign_in(await accounts.new_key("null@example.com"))
    assert (await browser.submit("/dashboard/sign-out", headers=as_browsers_do)).status_code == 303


async def test_a_form_by_cookie_needs_the_token_of_this_session(accounts: Accounts) -> None:
    browser, key = Browser(accounts), await accounts.new_key("token@example.com")
    await browser.sign_in(key)
    other = await browser.form_token()
    accounts.http.cookies.clear()
    await browser.sign_in(key)
    for wrong in ("", "0" * 64, other, "ä"):
        reply = await accounts.http.post("/dashboard/keys", data={"form_token": wrong}, headers=OWN_FORM)
        assert reply.status_code == 403


async def test_a_form_with_a_key_ignores_cookies(accounts: Accounts) -> None:
    browser = Browser(accounts)
    mine, theirs = await accounts.new_key("cook@example.com"), await accounts.new_key("form@example.com")
    await browser.sign_in(mine)
    made = await accounts.http.post(
        "/dashboard/keys", data={"key": theirs, "name": "by form"}, headers={"accept": "application/json"}
    )
    assert made.json()["key"][3:11] == theirs[3:11]
    wrong = await accounts.http.post("/dashboard/keys", data={"key": "sk-wrong"}, headers=OWN_FORM)
    assert wrong.status_code == 401


async def test_registering_needs_neither_origin_nor_token(accounts: Accounts) -> None:
    assert (await accounts.register("foreign@example.com", origin="https://evil.test")).status_code == 200


async def test_billing_learns_whose_session_it_is(accounts: Accounts) -> None:
    browser, key = Browser(accounts), await accounts.new_key("bill@example.com")
    await browser.sign_in(key)

    async def identify(**given: str | None) -> httpx.Response:
        return await accounts.http.post("/internal/identify", json=given, headers=AUTHORIZED)

    known = (await identify(session=browser.session)).json()
    assert (known["account_id"], known["email"]) == (key[3:11], "bill@example.com")
    assert known["form_token"] == await browser.form_token()
    right = await identify(session=browser.session, form_token=known["form_token"])
    wrong = await identify(session=browser.session, form_token="0" * 64)
    assert (right.status_code, wrong.status_code) == (200, 404)
    assert (await identify(session="x" * 43)).status_code == 404


async def test_wrong_keys_are_limited_by_address_and_right_ones_are_not(
    settings_with: SettingsFactory, redis: Redis
) -> None:
    async with serving(settings_with(), redis) as accounts:
        key = await accounts.new_key("guess@example.com")
        replies = [await accounts.http.get("/dashboard", params={"key": "sk-wrong"}) for _ in range(21)]
        assert [reply.status_code for reply in replies] == [401] * 20 + [429]
        assert 0 < int(replies[-1].headers["retry-after"]) <= 601
        assert (await accounts.http.get("/dashboard", params={"key": key})).status_code == 200
        elsewhere = await accounts.http.get(
            "/dashboard", params={"key": "sk-wrong"}, headers={"x-forwarded-for": "203.0.113.9"}
        )
        assert elsewhere.status_code == 401


async def test_ended_sessions_are_forgotten(accounts: Accounts) -> None:
    await Browser(accounts).sign_in(await accounts.new_key("old@example.com"))
    await accounts.as_owner("UPDATE sessions SET expires_at = now() - interval '1 second'")
    await forget_ended(accounts.database, now=utc_now())
    assert not await accounts.database.fetchval("SELECT count(*) FROM sessions")
