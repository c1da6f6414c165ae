"""The dashboard, by form and by `?key=`, with the ledger in each of its moods."""

import httpx
import pytest

from services.accounts.tests.accounts_process import Accounts
from services.accounts.tests.neighbours import Neighbours
from shared.api_keys import new_account_id, new_api_key
from shared.clock import utc_now


async def opened(accounts: Accounts, key: str) -> httpx.Response:
    return await accounts.http.get("/dashboard", params={"key": key})


async def test_a_key_shows_its_balance_and_usage(panel: Accounts, neighbours: Neighbours) -> None:
    key = await panel.new_key("dash@example.com")
    neighbours.knows(key[3:11], trial=99_940, paid=5_000_000)
    neighbours.used(key[3:11], utc_now().date(), requests=3, prompt=1_040, completion=20)
    page = await opened(panel, key)
    assert page.status_code == 200
    assert "<title>Dashboard</title>" in page.text
    for shown in ("5,099,940", "99,940", "5,000,000", "30 November 2126, 09:15 UTC", "1,040", "1,060"):
        assert shown in page.text
    assert "dash@example.com" in page.text


async def test_the_form_opens_the_same_page(panel: Accounts, neighbours: Neighbours) -> None:
    key = await panel.new_key("form@example.com")
    neighbours.knows(key[3:11], trial=100_000)
    by_form = await panel.http.post("/dashboard", data={"key": f" {key}\n"})
    assert by_form.status_code == 200
    assert by_form.text == (await opened(panel, key)).text
    assert "No calls yet" in by_form.text


async def test_the_page_shows_no_key_and_is_kept_nowhere(accounts: Accounts) -> None:
    key = await accounts.new_key("quiet@example.com")
    page = await opened(accounts, key)
    assert key not in page.text
    assert key not in str(page.headers)
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "promptly.js" in page.text


@pytest.mark.parametrize("key", ["", "sk-wrong", pytest.param(new_api_key(new_account_id()), id="unknown")])
async def test_a_wrong_key_is_401(accounts: Accounts, key: str) -> None:
    page = await opened(accounts, key)
    assert page.status_code == 401
    assert "This key does not work" in page.text
    assert (await accounts.http.post("/dashboard", data={"key": key})).status_code == 401


async def test_a_replaced_key_is_401(accounts: Accounts) -> None:
    old = await accounts.new_key("replaced@example.com")
    new = await accounts.new_key("replaced@example.com")
    assert (await opened(accounts, old)).status_code == 401
    assert (await opened(accounts, new)).status_code == 200


async def test_without_a_key_the_page_asks_for_one(accounts: Accounts) -> None:
    page = await accounts.http.get("/dashboard")
    assert page.status_code == 200
    assert "<title>Dashboard</title>" not in page.text
    assert 'name="key"' in page.text


async def test_an_account_the_ledger_does_not_know_yet_is_told_so(panel: Accounts) -> None:
    page = await opened(panel, await panel.new_key("early@example.com"))
    assert page.status_code == 200
    assert "Your balance is not known yet" in page.text


async def test_the_page_stands_when_metering_is_down(accounts: Accounts) -> None:
    page = await opened(accounts, await accounts.new_key("down@example.com"))
    assert page.status_code == 200
    assert "Your balance is not known yet" in page.text
    assert "safe either way" in page.text


async def test_a_spent_balance_says_what_it_means(panel: Accounts, neighbours: Neighbours) -> None:
    key = await panel.new_key("spent@example.com")
    neighbours.knows(key[3:11], debt=2_500)
    page = await opened(panel, key)
    assert "402" in page.text
    assert "2,500 owed" in page.text
