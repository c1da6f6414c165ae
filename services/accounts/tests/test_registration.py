"""Registering by address: what a person sees, what is stored, what is announced."""

import asyncio
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from services.accounts.tests.accounts_process import Accounts, serving
from services.accounts.tests.conftest import SettingsFactory
from shared.api_keys import display_of
from shared.clock import utc_now

JSON = {"accept": "application/json"}


async def test_a_new_address_gets_an_account_a_trial_and_a_sealed_key(accounts: Accounts) -> None:
    key = await accounts.new_key("ada@example.com")
    [registered] = await accounts.accounts_registered("ada@example.com")
    [issued] = await accounts.keys_issued("ada@example.com")
    assert registered.trial is not None
    assert registered.trial.tokens == 100_000
    assert abs(registered.trial.expires_at - utc_now() - timedelta(days=7)) < timedelta(minutes=1)
    assert issued.account_id == registered.account_id == key[3:11]
    assert (issued.reason, issued.key_display) == ("registered", display_of(key))


async def test_the_new_key_works_as_soon_as_the_page_is_there(accounts: Accounts) -> None:
    key = await accounts.new_key("bob@example.com")
    record = await accounts.record_of(key)
    assert (record["state"], record["account"]) == ("active", key[3:11])
    assert (record["limit_per_minute"], record["limit_concurrent"]) == ("60", "16")


async def test_registering_again_ends_the_old_key_at_once_and_grants_nothing(accounts: Accounts) -> None:
    old = await accounts.new_key("eve@example.com")
    new = await accounts.new_key("eve@example.com")
    assert (await accounts.state_of(old), await accounts.state_of(new)) == ("revoked", "active")
    assert old[3:11] == new[3:11]
    assert len(await accounts.accounts_registered("eve@example.com")) == 1
    assert [each.reason for each in await accounts.keys_issued("eve@example.com")] == [
        "registered",
        "replaced",
    ]


async def test_the_page_is_the_same_for_new_and_known_addresses(accounts: Accounts) -> None:
    first, second = [await accounts.register("same@example.com") for _ in range(2)]
    assert first.status_code == second.status_code == 200
    assert first.text == second.text
    assert "same@example.com" in first.text


async def test_a_program_gets_the_same_answer_as_json(accounts: Accounts) -> None:
    replies = [await accounts.register("Json@Example.com", **JSON) for _ in range(2)]
    assert replies[0].json() == replies[1].json()
    assert replies[0].json()["email"] == "Json@Example.com"
    assert "Json@Example.com" in replies[0].json()["message"]
    assert replies[0].headers["cache-control"] == "no-store"


@pytest.mark.parametrize("times", [2, 8])
async def test_concurrent_registrations_end_in_one_active_key(accounts: Accounts, times: int) -> None:
    email = f"race{times}@example.com"
    pages = await asyncio.gather(*(accounts.register(email) for _ in range(times)))
    assert {page.status_code for page in pages} == {200}
    keys = await accounts.keys_of(email)
    assert len(set(keys)) == times
    assert len({key[3:11] for key in keys}) == 1
    assert len(await accounts.accounts_registered(email)) == 1
    active = await accounts.database.fetchval(
        "SELECT count(*) FROM api_keys WHERE account_id = $1 AND state = 'active'", keys[0][3:11]
    )
    assert active == 1
    states = [await accounts.state_of(key) for key in keys]
    assert sorted(states, key=str) == ["active"] + ["revoked"] * (times - 1)


@pytest.mark.parametrize("email", ["ada@host.invalid", "ada@host.test"])
async def test_reserved_domains_may_register(accounts: Accounts, email: str) -> None:
    assert (await accounts.register(email)).status_code == 200
    assert len(await accounts.keys_issued(email)) == 1


async def test_an_account_is_the_exact_address_with_its_domain_in_lower_case(accounts: Accounts) -> None:
    keys = [await accounts.new_key("Carl@EXAMPLE.com".replace("EXAMPLE", "example"))]
    assert (await accounts.register("Carl@EXAMPLE.com")).status_code == 200
    assert len(await accounts.keys_of("Carl@example.com")) == 2
    keys.append(await accounts.new_key("carl@example.com"))
    assert keys[0][3:11] != keys[1][3:11]


@pytest.mark.parametrize(
    ("first", "alias"),
    [
        ("dora@example.com", "dora+again@example.com"),
        ("f.red@gmail.com", "fre.d+x@googlemail.com"),
        ("Gil@example.com", "gil@example.com"),
    ],
)
async def test_an_alias_gets_an_account_but_no_second_trial(
    accounts: Accounts, first: str, alias: str
) -> None:
    await accounts.new_key(first)
    await accounts.new_key(alias)
    [one], [other] = await accounts.accounts_registered(first), await accounts.accounts_registered(alias)
    assert one.trial is not None
    assert other.trial is None
    assert one.account_id != other.account_id


async def test_an_operator_may_give_no_trials(settings_with: SettingsFactory, redis: Redis) -> None:
    async with serving(settings_with(trial_tokens=0), redis) as accounts:
        await accounts.new_key("none@example.com")
        [registered] = await accounts.accounts_registered("none@example.com")
        assert registered.trial is None
        assert "tokens free" not in (await accounts.http.get("/")).text


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("", "@"),
        ("ada", "@"),
        ("ada@localhost", "period"),
        ("ada@@example.com", "@"),
        ("ädä@example.com", "before the @"),
        ("x@" + "y" * 300 + ".com", "long"),
    ],
)
async def test_a_wrong_address_is_400_and_says_what_is_wrong(
    accounts: Accounts, typed: str, named: str
) -> None:
    page = await accounts.register(typed)
    assert page.status_code == 400
    assert named in page.text
    error = (await accounts.register(typed, **JSON)).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_email", "email")
    assert named in error["message"]


async def test_what_was_typed_is_shown_escaped(accounts: Accounts) -> None:
    assert "<script>alert" not in (await accounts.register("<script>alert(1)</script>@example.com")).text
    assert "o&#39;neil&amp;co@example.com" in (await accounts.register("o'neil&co@example.com")).text


async def test_the_eleventh_registration_of_an_hour_is_429(
    settings_with: SettingsFactory, redis: Redis
) -> None:
    async with serving(settings_with(registration_rate_limit=10), redis) as accounts:
        pages = [await accounts.register(f"n{number}@example.com") for number in range(11)]
        assert [page.status_code for page in pages] == [200] * 10 + [429]
        assert 3500 < int(pages[-1].headers["retry-after"]) <= 3601
        assert "in 60 min" in pages[-1].text
        assert await accounts.keys_issued("n10@example.com") == []
        elsewhere = await accounts.register("n11@example.com", x_forwarded_for="203.0.113.9")
        assert elsewhere.status_code == 200


async def test_the_fourth_registration_of_an_address_within_an_hour_is_429_wherever_it_comes_from(
    settings_with: SettingsFactory, redis: Redis
) -> None:
    async with serving(settings_with(registration_address_rate_limit=3), redis) as accounts:
        pages = [
            await accounts.register("often@example.com", x_forwarded_for=f"203.0.113.{number}")
            for number in range(4)
        ]
        assert [page.status_code for page in pages] == [200] * 3 + [429]
        assert 3500 < int(pages[-1].headers["retry-after"]) <= 3601
        assert len(await accounts.keys_of("often@example.com")) == 3
        names = [name async for name in redis.scan_iter("register-address:*")]
        assert len(names) == 1
        assert b"often" not in names[0]


async def test_a_wrong_address_does_not_count_towards_the_limit(
    settings_with: SettingsFactory, redis: Redis
) -> None:
    async with serving(settings_with(registration_rate_limit=1), redis) as accounts:
        assert (await accounts.register("wrong")).status_code == 400
        assert (await accounts.register("right@example.com")).status_code == 200


async def test_only_small_urlencoded_forms_are_read(accounts: Accounts) -> None:
    as_json = await accounts.http.post("/register", json={"email": "a@example.com"})
    assert as_json.status_code == 400
    assert "application/x-www-form-urlencoded" in as_json.text
    assert (await accounts.register("x" * 9000)).status_code == 413
    trailing = await accounts.http.post(
        "/register",
        content=b"email=trail%40example.com&",
        headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    assert trailing.status_code == 200
