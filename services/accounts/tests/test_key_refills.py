"""A gateway that does not find a key asks for its record to be written again."""

import httpx

from services.accounts.tests.accounts_process import TOKEN, Accounts, digest

AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}


async def refill(accounts: Accounts, given: str, headers: dict[str, str] = AUTHORIZED) -> httpx.Response:
    return await accounts.http.post("/internal/keys/refill", json={"digest": given}, headers=headers)


async def test_a_known_key_is_in_redis_again(accounts: Accounts) -> None:
    key = await accounts.new_key("refill@example.com")
    await accounts.redis.flushdb()
    assert (await refill(accounts, digest(key))).json() == {"found": True}
    assert await accounts.state_of(key) == "active"


async def test_a_revoked_key_gets_its_tombstone_again(accounts: Accounts) -> None:
    old = await accounts.new_key("revoked@example.com")
    await accounts.new_key("revoked@example.com")
    await accounts.redis.flushdb()
    assert (await refill(accounts, digest(old))).json() == {"found": True}
    assert await accounts.state_of(old) == "revoked"


async def test_an_unknown_key_is_not_found(accounts: Accounts) -> None:
    assert (await refill(accounts, "0" * 64)).json() == {"found": False}


async def test_what_is_no_digest_is_400(accounts: Accounts) -> None:
    reply = await refill(accounts, "sk-something")
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "digest")


async def test_only_services_may_ask(accounts: Accounts) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}):
        reply = await refill(accounts, "0" * 64, headers)
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
