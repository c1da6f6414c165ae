"""What an operator's page reads: the rows of one account, and lists over all of them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.metering.adapters import accounts_postgres
from services.metering.tests.asking import asking
from services.metering.tests.building import NOON, Books, record_for
from services.metering.use_cases.change_purchase import credit_purchase, reverse_purchase
from services.metering.use_cases.sum_up_accounts import Summaries
from shared.api_keys import new_account_id
from shared.clock import utc_now
from shared.contracts.billing import PurchaseCompleted, PurchaseReversed
from shared.ids import AccountId, new_uuid7
from shared.postgres import Pool


@pytest.fixture
async def client(pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(pool) as client:
        yield client


@pytest.fixture
async def empty_books(pool: Pool, books: Books) -> Books:
    """Of the accounts that other tests opened none is left open."""
    await pool.execute("UPDATE accounts SET closed_at = $1, version = version + 1", NOON)
    return books


async def ask(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    reply = await client.get(path, params=params)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_grants_come_newest_first_with_what_is_left(client: httpx.AsyncClient, books: Books) -> None:
    account_id = await books.open_account(trial=100, paid=500)
    await books.post(record_for(account_id, 30))
    grants = (await ask(client, f"/internal/accounts/{account_id}/grants"))["grants"]
    assert [(each["kind"], each["tokens"], each["remaining"]) for each in grants] == [
        ("purchase", 500, 500),
        ("trial", 100, 70),
    ]
    assert grants[1]["source"] == f"trial:{account_id}"


async def test_entries_come_newest_first_in_pages(client: httpx.AsyncClient, books: Books) -> None:
    account_id = await books.open_account(trial=100)
    for tokens in (10, 20, 30):
        await books.post(record_for(account_id, tokens))
    path = f"/internal/accounts/{account_id}/entries"
    first = await ask(client, path, limit=3)
    assert [(each["kind"], each["tokens"]) for each in first["entries"]] == [
        ("usage", -30),
        ("usage", -20),
        ("usage", -10),
    ]
    rest = await ask(client, path, limit=3, before=first["next_before"])
    assert [(each["kind"], each["tokens"]) for each in rest["entries"]] == [("grant", 100)]
    assert rest["next_before"] is None


async def test_many_balances_are_read_at_once_in_the_order_asked(
    client: httpx.AsyncClient, books: Books
) -> None:
    rich, poor = await books.open_account(trial=None, paid=900), await books.open_account(trial=50)
    await books.post(record_for(poor, 30, admitted_at=utc_now()))
    asked = {"account_ids": [poor, new_account_id(), rich]}
    reply = await client.post("/internal/balances", json=asked)
    accounts = reply.json()["accounts"]
    assert [(each["balance"]["account_id"], each["balance"]["available"]) for each in accounts] == [
        (poor, 20),
        (rich, 900),
    ]
    assert [(each["requests"], each["tokens_used"]) for each in accounts] == [(1, 30), (0, 0)]


async def test_more_balances_than_a_page_has_are_refused(client: httpx.AsyncClient) -> None:
    reply = await client.post("/internal/balances", json={"account_ids": ["aB3dE5gH"] * 201})
    assert reply.status_code == 400


async def ranked(client: httpx.AsyncClient, books: Books, **params: Any) -> list[AccountId]:
    """Once it is summed up."""
    await Summaries(books.pool).renew()
    return [AccountId(each) for each in (await ask(client, "/internal/accounts", **params))["account_ids"]]


async def test_accounts_are_ranked_by_balance(client: httpx.AsyncClient, empty_books: Books) -> None:
    middle, most, least = [await empty_books.open_account(trial=tokens) for tokens in (200, 300, 100)]
    assert await ranked(client, empty_books) == [most, middle, least]
    assert await ranked(client, empty_books, descending=False) == [least, middle, most]
    assert await ranked(client, empty_books, offset=1, limit=1) == [middle]
    assert (await ask(client, "/internal/accounts", limit=1))["total"] == 3


async def test_accounts_are_ranked_by_usage(client: httpx.AsyncClient, empty_books: Books) -> None:
    idle, busy = await empty_books.open_account(), await empty_books.open_account()
    await empty_books.post(record_for(busy, 60, admitted_at=utc_now()))
    assert await ranked(client, empty_books, order_by="usage") == [busy, idle]
    await empty_books.post(record_for(idle, 90, admitted_at=utc_now()))
    assert await ranked(client, empty_books, order_by="usage") == [idle, busy]
    assert await ranked(client, empty_books, order_by="usage", descending=False) == [busy, idle]


async def test_a_closed_account_leaves_the_lists(client: httpx.AsyncClient, empty_books: Books) -> None:
    gone, stays = await empty_books.open_account(), await empty_books.open_account()
    await Summaries(empty_books.pool).renew()
    async with empty_books.pool.acquire() as connection:
        await accounts_postgres.close_account(connection, gone, NOON)
    assert await ranked(client, empty_books) == [stays]
    assert await ranked(client, empty_books, order_by="usage") == [stays]


async def totals(client: httpx.AsyncClient, books: Books) -> Any:
    """Of today, once it is summed up."""
    await Summaries(books.pool).renew()
    return await ask(client, "/internal/totals", days=1)


async def test_the_totals_are_those_of_all_accounts(client: httpx.AsyncClient, empty_books: Books) -> None:
    before = await totals(client, empty_books)
    for tokens in (30, 60):
        account_id = await empty_books.open_account(trial=100, paid=500)
        await empty_books.post(record_for(account_id, tokens, admitted_at=utc_now()))
    after = await totals(client, empty_books)
    assert (after["accounts"], after["tokens_available"], after["tokens_debt"]) == (2, 1110, 0)
    [today] = after["days"]
    earlier = before["days"][0]["requests"] if before["days"] else 0
    assert today["requests"] - earlier == 2


def bought(account_id: AccountId, tokens: int) -> PurchaseCompleted:
    return PurchaseCompleted(
        purchase_id=f"order-{account_id}",
        account_id=account_id,
        tokens=tokens,
        pack="starter",
        amount_cents=50,
        currency="usd",
        method="stripe",
        receipt_number="R-1",
    )


def reversed_to(account_id: AccountId, tokens: int) -> PurchaseReversed:
    return PurchaseReversed(
        purchase_id=f"order-{account_id}", account_id=account_id, tokens=tokens, reason="refunded", revision=1
    )


async def test_what_is_owed_or_frozen_is_in_no_total(
    client: httpx.AsyncClient, empty_books: Books, pool: Pool
) -> None:
    debtor = await empty_books.open_account(trial=10)
    await credit_purchase(pool, new_uuid7(), bought(debtor, 100), NOON)
    await empty_books.post(record_for(debtor, 70, admitted_at=utc_now()))
    await reverse_purchase(pool, new_uuid7(), reversed_to(debtor, 100), NOON)
    other = await empty_books.open_account(trial=None, paid=500)
    await pool.execute("UPDATE grants SET is_frozen = true WHERE account_id = $1", other)
    grants = (await client.get(f"/internal/accounts/{debtor}/grants")).json()["grants"]
    assert {grant["kind"]: grant["tokens_to_reverse"] for grant in grants} == {"purchase": 100, "trial": 0}
    balances = await client.post("/internal/balances", json={"account_ids": [debtor, other]})
    seen = [(each["balance"]["available"], each["balance"]["debt"]) for each in balances.json()["accounts"]]
    assert seen == [(0, 60), (0, 0)]
    all_together = await totals(client, empty_books)
    assert (all_together["tokens_available"], all_together["tokens_debt"]) == (0, 60)


async def test_a_sum_rests_long_enough_not_to_weigh(pool: Pool, books: Books) -> None:
    summaries = Summaries(pool)
    await summaries.renew()
    account_id = await books.open_account()
    await summaries.renew()
    missing = "SELECT count(*) FROM account_ranks WHERE account_id = $1"
    assert await pool.fetchval(missing, account_id) == 0


@pytest.mark.parametrize(
    "path",
    [
        "accounts?order_by=name",
        "accounts?offset=-1",
        "accounts?limit=1001",
        "totals?days=0",
        "totals?days=367",
    ],
)
async def test_what_cannot_be_answered_is_refused(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/internal/{path}")).status_code == 400


@pytest.mark.parametrize("before", ["0", "x", str(2**63)])
async def test_an_entry_that_cannot_be_is_refused(client: httpx.AsyncClient, before: str) -> None:
    reply = await client.get("/internal/accounts/aB3dE5gH/entries", params={"before": before})
    assert reply.status_code == 400
