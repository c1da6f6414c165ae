"""Who may enter /admin: the network first, then the key, and what a browser may do with a session."""

import asyncio
from datetime import timedelta

import httpx
import pytest
import structlog
from redis.asyncio import BlockingConnectionPool, Redis

from services.accounts.adapters.attempts_redis import Attempts
from services.accounts.settings import DEFAULT_ADMIN_NETWORKS
from services.accounts.tests.accounts_process import ADMIN_KEY, Accounts, serving
from services.accounts.tests.browser import FOREIGN_FORM, FORM_TOKEN, OWN_FORM
from services.accounts.tests.conftest import SettingsFactory
from services.accounts.use_cases.admit_operator import AdmitOperator
from services.accounts.use_cases.limit_admin_keys import LimitAdminKeys
from services.accounts.use_cases.limit_wrong_keys import WINDOW_SECONDS
from shared.clock import utc_now
from shared.http.client_address import is_within
from shared.postgres import open_pool
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy

PATHS = ["/admin", "/admin/user", "/admin/reviews", "/admin/mails", "/admin/audit"]
FORMS = ["adjust", "grant", "delete", "block", "unblock", "new-key", "reviews/decide", "mails/resend"]


async def opened(accounts: Accounts, key: str | None = ADMIN_KEY, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await accounts.http.get("/admin", params={"key": key} if key else None, headers=sent)


async def test_the_key_opens_the_panel_directly_and_is_nowhere_in_it(accounts: Accounts) -> None:
    page = await opened(accounts)
    assert page.status_code == 200
    assert ADMIN_KEY not in page.text + str(page.headers)
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert "promptly.js" in page.text


@pytest.mark.parametrize("key", [None, "", "wrong", ADMIN_KEY + "x", "ä"])
@pytest.mark.parametrize("path", PATHS)
async def test_without_the_key_every_page_is_403(accounts: Accounts, path: str, key: str | None) -> None:
    page = await accounts.http.get(path, params={"key": key} if key is not None else None)
    assert page.status_code == 403
    assert "set-cookie" not in page.headers


@pytest.mark.parametrize("form", FORMS)
async def test_without_the_key_every_form_is_403(accounts: Accounts, form: str) -> None:
    for fields in ({}, {"key": "wrong"}, {"key": ""}):
        reply = await accounts.http.post(f"/admin/{form}", data={"user_id": "1", **fields})
        assert reply.status_code == 403


@pytest.mark.parametrize(
    ("client", "allowed"),
    [
        ("127.0.0.1", True),
        ("100.64.0.7", True),
        ("172.17.0.1", True),
        ("::1", True),
        ("::ffff:100.64.0.7", True),
        ("203.0.113.9", False),
        ("172.32.0.1", False),
        ("2001:db8::1", False),
        ("nonsense", False),
    ],
)
def test_the_networks_of_the_operator(client: str, allowed: bool) -> None:
    assert is_within(client, DEFAULT_ADMIN_NETWORKS) is allowed


async def test_another_network_is_403_with_the_right_key_and_is_not_asked_for_it(accounts: Accounts) -> None:
    page = await opened(accounts, x_forwarded_for="203.0.113.9")
    assert page.status_code == 403
    assert 'name="key"' not in page.text
    reply = await accounts.http.post(
        "/admin/adjust", data={"key": ADMIN_KEY}, headers={"x-forwarded-for": "203.0.113.9"}
    )
    assert reply.status_code == 403


@pytest.mark.parametrize("path", ["/admin", *(f"/admin/{form}" for form in FORMS)])
async def test_what_is_no_form_is_403_as_well(accounts: Accounts, path: str) -> None:
    for sent in ({}, {"json": {"key": ADMIN_KEY}}, {"data": {"reason": "x" * 9000}}):
        for headers in ({}, {"x-forwarded-for": "203.0.113.9"}):
            reply = await accounts.http.request("POST", path, headers=headers, **sent)  # type: ignore[arg-type]
            assert reply.status_code == 403


async def test_a_forwarded_entry_that_is_no_address_is_not_taken_for_the_proxys_own(
    accounts: Accounts,
) -> None:
    for claimed in ("unknown", "203.0.113.9:4711"):
        assert (await opened(accounts, x_forwarded_for=claimed)).status_code == 403


async def test_a_claimed_address_counts_only_from_a_trusted_proxy_and_is_logged_otherwise(
    settings_with: SettingsFactory, redis: Redis
) -> None:
    async with serving(settings_with(trusted_proxies="192.0.2.1/32"), redis) as accounts:
        with structlog.testing.capture_logs() as logs:
            page = await opened(accounts, x_forwarded_for="100.64.0.7")
        assert page.status_code == 403
        assert "admin_untrusted_proxy" in str(logs)
        assert (await opened(accounts)).status_code == 200


async def test_where_no_admin_key_is_set_nobody_enters(settings_with: SettingsFactory, redis: Redis) -> None:
    async with serving(settings_with(admin_key=""), redis) as accounts:
        for key in (None, "", "x"):
            assert (await opened(accounts, key)).status_code == 403


async def test_after_too_many_wrong_keys_the_right_one_opens_nothing(accounts: Accounts) -> None:
    for _ in range(20):
        await opened(accounts, "wrong")
    assert (await opened(accounts)).status_code == 403
    assert (await opened(accounts, x_forwarded_for="100.64.0.7")).status_code == 200


async def test_of_guesses_made_at_once_none_behind_the_allowed_ones_opens(
    settings_with: SettingsFactory, redis: Redis, redis_url: str
) -> None:
    """Over one connection, so that Redis hears of them in their order."""
    one_line = BlockingConnectionPool.from_url(redis_url, max_connections=1)
    attempts = Attempts(Redis(connection_pool=one_line), "guesses", attempts_max=20, window_seconds=600)
    async with await open_pool(settings_with().database_url, service="accounts") as pool:
        operator = AdmitOperator(pool, LimitAdminKeys(attempts), ADMIN_KEY.encode(), b"pepper")
        assert await operator.has_key(ADMIN_KEY, client="100.64.0.7")
        guesses = [*(f"guess {number}" for number in range(20)), ADMIN_KEY]
        found = await asyncio.gather(*(operator.has_key(each, client="100.64.0.7") for each in guesses))
    await one_line.aclose()
    assert not any(found)


async def test_right_keys_used_at_once_do_not_lock_each_other_out(accounts: Accounts) -> None:
    pages = await asyncio.gather(*(opened(accounts) for _ in range(25)))
    assert {page.status_code for page in pages} == {200}


async def test_without_redis_the_door_is_bounded_by_what_this_process_saw(
    settings_with: SettingsFactory, redis: Redis, redis_url: str
) -> None:
    async with TcpProxy(redis_url) as line, serving(settings_with(redis_url=line.url), redis) as accounts:
        await line.cut()
        assert (await opened(accounts)).status_code == 200
        for number in range(20):
            await opened(accounts, "wrong", x_forwarded_for=f"100.64.0.{number}")
        assert (await opened(accounts)).status_code == 403
        await line.mend()

        async def redis_knows_of_no_wrong_key_from_here() -> bool:
            return (await opened(accounts)).status_code == 200

        await eventually(redis_knows_of_no_wrong_key_from_here)


async def test_what_this_process_saw_is_forgotten_in_time() -> None:
    nowhere = Attempts(Redis.from_url("redis://127.0.0.1:9"), "unused", attempts_max=1, window_seconds=1)
    limit, now = LimitAdminKeys(nowhere), utc_now()
    for _ in range(20):
        await limit.note_wrong_key("100.64.0.7", now=now)
    later = now + timedelta(seconds=WINDOW_SECONDS)
    opens = [
        await limit.opens_to_right_key("100.64.0.8", now=at)
        for at in (now, later - timedelta(seconds=1), later)
    ]
    assert opens == [False, False, True]


async def test_a_session_opens_the_pages_without_the_key(accounts: Accounts) -> None:
    reply = await accounts.http.post("/admin", data={"key": ADMIN_KEY}, headers=OWN_FORM)
    assert (reply.status_code, reply.headers["location"]) == (303, "/admin")
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "Path=/admin" in cookie
    assert ADMIN_KEY not in cookie
    assert [(await accounts.http.get(path)).status_code for path in PATHS] == [200, 404, 200, 200, 200]


async def test_programs_do_not_crowd_out_the_operators_browser(accounts: Accounts) -> None:
    await accounts.http.post("/admin", data={"key": ADMIN_KEY}, headers=OWN_FORM)
    session = accounts.http.cookies["promptly_admin"]
    for _ in range(101):
        await opened(accounts)
    assert await accounts.database.fetchval("SELECT count(*) FROM admin_sessions") == 100
    accounts.http.cookies.clear()
    accounts.http.cookies.set("promptly_admin", session, domain="promptly.test")
    assert (await accounts.http.get("/admin")).status_code == 200


async def test_another_site_signs_no_operator_in(accounts: Accounts) -> None:
    page = await opened(accounts, sec_fetch_site="cross-site")
    assert (page.status_code, "set-cookie" in page.headers) == (200, False)
    reply = await accounts.http.post("/admin", data={"key": ADMIN_KEY}, headers=FOREIGN_FORM)
    assert "set-cookie" not in reply.headers


async def test_signing_out_ends_the_session_itself(accounts: Accounts) -> None:
    token = await signed_in(accounts)
    session = accounts.http.cookies["promptly_admin"]
    reply = await accounts.http.post("/admin/sign-out", data={"form_token": token}, headers=OWN_FORM)
    assert reply.status_code == 303
    accounts.http.cookies.set("promptly_admin", session, domain="promptly.test")
    assert (await accounts.http.get("/admin")).status_code == 403


async def test_another_admin_key_ends_all_sessions(settings_with: SettingsFactory, redis: Redis) -> None:
    async with serving(settings_with(), redis) as accounts:
        await signed_in(accounts)
        session = accounts.http.cookies["promptly_admin"]
    async with serving(settings_with(admin_key="another-admin-key"), redis) as accounts:
        accounts.http.cookies.set("promptly_admin", session, domain="promptly.test")
        assert (await accounts.http.get("/admin")).status_code == 403


@pytest.mark.parametrize("headers", [{}, FOREIGN_FORM, {"origin": "null"}])
async def test_a_form_by_cookie_needs_our_own_origin(accounts: Accounts, headers: dict[str, str]) -> None:
    token = await signed_in(accounts)
    for form in FORMS:
        reply = await accounts.http.post(f"/admin/{form}", data={"form_token": token}, headers=headers)
        assert (reply.status_code, "not sent from a page of ours" in reply.text) == (403, True)


async def test_a_form_by_cookie_needs_the_pages_token(accounts: Accounts) -> None:
    await signed_in(accounts)
    for form in FORMS:
        reply = await accounts.http.post(f"/admin/{form}", data={"form_token": "0" * 64}, headers=OWN_FORM)
        assert (reply.status_code, "out of date" in reply.text) == (403, True)


async def test_a_program_is_refused_in_json(accounts: Accounts) -> None:
    reply = await accounts.http.get("/admin", headers={"accept": "application/json"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")


async def signed_in(accounts: Accounts) -> str:
    """The form token of the operator's session in `accounts.http`."""
    page = await opened(accounts)
    found = FORM_TOKEN.search(page.text)
    assert found is not None
    return found[1]
