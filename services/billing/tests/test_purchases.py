"""Purchases as customers, the operator and the other services see them."""

import csv
from io import StringIO

import pytest

from shared.http.session_cookie import SESSION_COOKIE
from shared.ids import new_uuid7
from tests.support.shop import ADMIN_KEY, INTERNAL, PERSON, PROGRAM, Bought, Shop


async def paid(shop: Shop) -> Bought:
    bought = await shop.order("stripe")
    shop.fakes.stripe.pay(shop.session(bought))
    await shop.becomes(bought, "paid")
    return bought


def key_of(shop: Shop, bought: Bought) -> str:
    return next(key for key, customer in shop.neighbours.keys.items() if customer == bought.customer)


async def test_the_holder_of_a_session_or_a_key_sees_the_receipt(shop: Shop) -> None:
    bought = await paid(shop)
    number = (await shop.purchase(bought))["receipt_number"]
    path = f"/purchases/{bought.purchase_id}"
    cookie = {**PERSON, "cookie": f"{SESSION_COOKIE}={bought.customer.session}"}
    by_cookie = await shop.client.get(path, headers=cookie)
    by_key = await shop.client.post(path, data={"key": key_of(shop, bought)}, headers=PERSON)
    for page in (by_cookie, by_key):
        for text in (number, "$2.00 USD", "25,000,000 tokens", bought.customer.email, "Payment by card"):
            assert text in page.text


async def test_a_receipt_on_paper_is_only_the_receipt(shop: Shop) -> None:
    bought = await paid(shop)
    page = await shop.client.post(
        f"/purchases/{bought.purchase_id}", data={"key": key_of(shop, bought)}, headers=PERSON
    )
    assert '<link rel="stylesheet" media="print" href="/purchases/print.css">' in page.text
    style = await shop.client.get("/purchases/print.css")
    assert style.headers["content-type"].startswith("text/css")
    assert ".bar, .foot" in style.text


async def test_a_stranger_sees_only_how_the_payment_stands(shop: Shop) -> None:
    bought = await paid(shop)
    page = await shop.client.get(f"/purchases/{bought.purchase_id}", headers=PERSON)
    assert "credited" in page.text
    for secret in (bought.customer.email, bought.customer.account_id, "Number"):
        assert secret not in page.text


async def test_the_key_of_another_account_opens_no_receipt(shop: Shop) -> None:
    bought = await paid(shop)
    _, key = shop.neighbours.new_customer()
    reply = await shop.client.post(f"/purchases/{bought.purchase_id}", data={"key": key}, headers=PROGRAM)
    assert reply.status_code == 404


@pytest.mark.parametrize("purchase_id", ["nonsense", "019a3f6e-0000-7000-8000-0000000000aa"])
async def test_a_purchase_that_is_none_is_404(shop: Shop, purchase_id: str) -> None:
    assert (await shop.client.get(f"/purchases/{purchase_id}", headers=PERSON)).status_code == 404


async def test_receipt_numbers_count_without_a_gap(shop: Shop) -> None:
    """Also where orders are paid at the same time."""
    several = [await shop.order("stripe") for _ in range(5)]
    for bought in several:
        shop.fakes.stripe.pay(shop.session(bought))
    for bought in several:
        await shop.becomes(bought, "paid")
    numbers = await shop.database.fetch("SELECT number FROM receipts ORDER BY number")
    assert [row["number"] for row in numbers] == list(range(1, len(numbers) + 1))


async def test_every_order_is_listed_a_page_at_a_time(shop: Shop) -> None:
    several = [await shop.order("btcpay") for _ in range(3)]
    seen, after = [], None
    while True:
        params = {"limit": 2} | ({"after": after} if after else {})
        page = (await shop.client.get("/internal/purchases", params=params, headers=INTERNAL)).json()
        seen += [each["purchase_id"] for each in page["purchases"]]
        after = page["next_after"]
        if after is None:
            break
    assert seen == sorted(seen)
    assert {bought.purchase_id for bought in several} <= set(seen)
    some = await shop.client.get("/internal/purchases", params={"state": "open"}, headers=INTERNAL)
    assert {each["state"] for each in some.json()["purchases"]} == {"open"}


async def test_an_accounts_own_purchases_come_newest_first(shop: Shop) -> None:
    customer, key = shop.neighbours.new_customer()
    for pack in ("starter", "pro"):
        data = {"pack": pack, "method": "stripe", "key": key}
        await shop.client.post("/checkout", data=data, headers=PROGRAM)
    reply = await shop.client.get(f"/internal/accounts/{customer.account_id}/purchases", headers=INTERNAL)
    assert [each["pack"] for each in reply.json()["purchases"]] == ["pro", "starter"]


async def test_the_methods_that_are_set_up_are_named(shop: Shop) -> None:
    reply = await shop.client.get("/internal/payment-methods", headers=INTERNAL)
    assert reply.json() == {"methods": ["stripe", "btcpay"]}


async def test_an_unknown_review_is_404(shop: Shop) -> None:
    reply = await shop.decide({"review_id": str(new_uuid7())}, "credit")
    assert reply.status_code == 404


@pytest.mark.parametrize("how", ["header", "query"])
async def test_the_operator_exports_every_purchase_as_csv(shop: Shop, how: str) -> None:
    bought = await paid(shop)
    reply = await shop.client.get(
        "/purchases.csv",
        params={"key": ADMIN_KEY} if how == "query" else {},
        headers={"authorization": f"Bearer {ADMIN_KEY}"} if how == "header" else {},
    )
    assert reply.status_code == 200
    rows = {row["purchase_id"]: row for row in csv.DictReader(StringIO(reply.text))}
    assert len(rows) == await shop.database.fetchval("SELECT count(*) FROM orders")
    row = rows[bought.purchase_id]
    assert (row["amount_cents"], row["tokens"], row["state"]) == ("200", "25000000", "paid")
    assert row["provider_id"] == bought.provider_id


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Bearer {ADMIN_KEY}", "x-forwarded-for": "203.0.113.9"},
    ],
)
async def test_nobody_else_exports_anything(shop: Shop, headers: dict[str, str]) -> None:
    """The last comes with the right key from a network that is not allowed."""
    assert (await shop.client.get("/purchases.csv", headers=headers)).status_code == 403


@pytest.mark.parametrize("path", ["/packs?", "/checkout?pack=starter&"])
async def test_a_page_tells_nobody_a_key_that_somebody_put_into_its_address(shop: Shop, path: str) -> None:
    pages = [await shop.client.get(f"{path}{more}", headers=PERSON) for more in ("a=b", "key=sk-SECRET")]
    assert [page.status_code for page in pages] == [200, 200]
    assert [page.headers["referrer-policy"] for page in pages] == ["same-origin", "no-referrer"]


async def test_a_refusal_tells_nobody_the_key_of_its_address(shop: Shop) -> None:
    page = await shop.client.get("/purchases.csv", params={"key": "wrong"}, headers=PERSON)
    assert (page.status_code, page.headers["referrer-policy"]) == (403, "no-referrer")
    assert '<script src="/static/promptly.js" defer>' in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "wrong" not in page.text


async def test_accounts_is_told_whose_key_it_looks_at_and_a_foreign_network_is_not_asked_for_one(
    shop: Shop,
) -> None:
    asked = shop.neighbours.operators_asked
    asked.clear()
    for address in ("203.0.113.9", "100.64.0.7", "fd00::1"):
        await shop.client.get("/purchases.csv", params={"key": "wrong"}, headers={"x-forwarded-for": address})
    assert asked == [{"key": "wrong", "client": "100.64.0.7"}]


async def test_while_accounts_is_away_nobody_is_the_operator(shop: Shop) -> None:
    shop.neighbours.is_down = True
    reply = await shop.client.get("/purchases.csv", params={"key": ADMIN_KEY})
    assert (reply.status_code, "purchase_id" in reply.text) == (503, False)
    shop.neighbours.is_down = False
