"""The pages everybody sees, and what all pages have in common."""

import re
from pathlib import Path

import pytest

from services.accounts.tests.accounts_process import Accounts

AGENTS_MD = Path(__file__).parents[3] / "AGENTS.md"
PATHS = ["/", "/docs", "/register", "/dashboard", "/nowhere"]
INLINE = re.compile(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=")


async def test_the_front_page_says_what_it_costs_and_how_to_begin(accounts: Accounts) -> None:
    page = (await accounts.http.get("/")).text
    for shown in ("$0.50", "$2.00", "$6.00", "5 million", "25 million", "100 million"):
        assert shown in page
    assert "https://promptly.test/v1/chat/completions" in page
    assert 'action="/register"' in page
    assert 'action="/dashboard"' in page
    assert "/checkout?pack=starter" in page


@pytest.mark.parametrize("path", PATHS)
async def test_pages_run_nothing_inline_and_load_nothing_foreign(accounts: Accounts, path: str) -> None:
    page = await accounts.http.get(path)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert not INLINE.search(page.text)
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", PATHS)
async def test_what_a_page_loads_is_there(accounts: Accounts, path: str) -> None:
    page = (await accounts.http.get(path)).text
    loaded = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert loaded
    assert {(await accounts.http.get(each)).status_code for each in loaded} == {200}


async def test_a_page_that_does_not_exist_says_so_to_people_and_programs(accounts: Accounts) -> None:
    page = await accounts.http.get("/nowhere", headers={"accept": "text/html"})
    assert (page.status_code, "This page does not exist" in page.text) == (404, True)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    as_json = await accounts.http.get("/nowhere", headers={"accept": "application/json"})
    assert (as_json.status_code, as_json.json()["error"]["code"]) == (404, "not_found")


async def test_a_wrong_method_is_405_and_names_the_right_ones(accounts: Accounts) -> None:
    page = await accounts.http.put("/")
    assert page.status_code == 405
    assert "GET" in page.headers["allow"]


@pytest.mark.parametrize("path", ["/dashboard/", "/admin/", "/register/"])
async def test_no_redirect_carries_a_key_not_even_for_a_slash_too_many(accounts: Accounts, path: str) -> None:
    reply = await accounts.http.get(path, params={"key": "sk-SECRET"})
    assert (reply.status_code, "SECRET" in str(reply.headers) + reply.text) == (404, False)


async def test_head_works_where_get_does(accounts: Accounts) -> None:
    assert (await accounts.http.head("/")).status_code == 200
    assert (await accounts.http.head("/dashboard")).status_code == 200


async def test_health_and_readiness(accounts: Accounts) -> None:
    assert (await accounts.http.get("/health")).json() == {"status": "ok"}
    assert (await accounts.http.get("/ready")).json() == {"status": "ready"}


async def test_the_front_page_has_the_first_call_in_three_clients(accounts: Accounts) -> None:
    page = (await accounts.http.get("/")).text
    for shown in ("openai-python", "langchain_openai", 'data-copy="code-curl"'):
        assert shown in page


@pytest.mark.parametrize("path", ["/AGENTS.md", "/llms.txt"])
async def test_agents_read_plain_text(accounts: Accounts, path: str) -> None:
    reply = await accounts.http.get(path)
    assert reply.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "https://promptly.test/v1" in reply.text
    assert "100,000 tokens" in reply.text
    assert all(line.count("million tokens for") <= 1 for line in reply.text.splitlines())
    assert "&#" not in reply.text


async def test_the_repository_tells_agents_the_same(accounts: Accounts) -> None:
    """Part one of AGENTS.md is what this service serves: change templates/agents.md, then copy it."""
    served = (await accounts.http.get("/AGENTS.md")).text.replace("https://promptly.test", "https://HOST")
    in_the_repository, _, _ = AGENTS_MD.read_text(encoding="utf-8").partition("\n# Changing the code\n")
    assert in_the_repository.strip() == served.strip()


async def test_the_manual_says_how_errors_limits_prices_and_privacy_are(accounts: Accounts) -> None:
    page = (await accounts.http.get("/docs")).text
    for shown in (
        "Quick start",
        "/v1/responses",
        "Retry-After",
        "60 requests in any 60 seconds",
        "Who pays",
        "Privacy",
    ):
        assert shown in page


async def test_crawlers_stay_away_from_what_is_private(accounts: Accounts) -> None:
    rules = await accounts.http.get("/robots.txt")
    assert rules.headers["content-type"].startswith("text/plain")
    assert "Disallow: /admin" in rules.text
    assert (await accounts.http.get("/favicon.ico")).headers["content-type"] == "image/svg+xml"


async def test_behind_tls_browsers_are_told_to_stay_there(accounts: Accounts) -> None:
    assert "max-age=31536000" in (await accounts.http.get("/")).headers["strict-transport-security"]
