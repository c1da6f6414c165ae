"""What accounts answers to the other services: who somebody is, and which accounts there are."""

from typing import Any

import httpx
import pytest

from services.accounts.tests.accounts_process import TOKEN, Accounts
from shared.api_keys import display_of, new_account_id, new_api_key

AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}


async def identify(accounts: Accounts, **given: str) -> httpx.Response:
    return await accounts.http.post("/internal/identify", json=given, headers=AUTHORIZED)


async def test_a_key_tells_whose_it_is(accounts: Accounts) -> None:
    key = await accounts.new_key("who@example.com")
    assert (await identify(accounts, key=key)).json() == {
        "account_id": key[3:11],
        "email": "who@example.com",
        "key_display": display_of(key),
        "form_token": None,
    }


async def test_a_key_that_does_not_work_is_nobody(accounts: Accounts) -> None:
    old = await accounts.new_key("twice@example.com")
    await accounts.new_key("twice@example.com")
    for key in ("", "sk-wrong", old, new_api_key(new_account_id())):
        reply = await identify(accounts, key=key)
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_identified")


@pytest.mark.parametrize("given", [{}, {"key": "a", "session": "b"}])
async def test_exactly_one_of_key_and_session_is_asked_for(accounts: Accounts, given: dict[str, str]) -> None:
    assert (await identify(accounts, **given)).status_code == 400


async def test_every_account_is_listed_once_without_its_address(accounts: Accounts) -> None:
    keys = [await accounts.new_key(f"list{number}@example.com") for number in range(3)]
    alias = await accounts.new_key("list0+again@example.com")
    seen = await all_accounts(accounts, limit=2)
    assert [each["account_id"] for each in seen] == sorted(each["account_id"] for each in seen)
    had_trial = {each["account_id"]: each["has_trial"] for each in seen}
    expected = {key[3:11]: True for key in keys} | {alias[3:11]: False}
    assert expected.items() <= had_trial.items()
    assert "@" not in str(seen)


async def all_accounts(accounts: Accounts, limit: int) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        path = f"/internal/accounts?after={after}&limit={limit}"
        page = (await accounts.http.get(path, headers=AUTHORIZED)).json()
        assert len(page["accounts"]) <= limit
        seen += page["accounts"]
        after = page["next_after"]
    return seen


@pytest.mark.parametrize("path", ["/internal/identify", "/internal/accounts"])
async def test_only_services_may_ask(accounts: Accounts, path: str) -> None:
    method = "GET" if path.endswith("accounts") else "POST"
    reply = await accounts.http.request(method, path, json={"key": "x"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
