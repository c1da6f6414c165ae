"""Buying: who may, what is made, what the provider hears, and what happens when it fails."""

import json
from uuid import UUID, uuid4

import httpx
import pytest

from shared.http.session_cookie import SESSION_COOKIE
from shared.ids import new_uuid7
from tests.support.billing_neighbours import Customer
from tests.support.eventually import eventually
from tests.support.shop import BTCPAY, PERSON, PROGRAM, Shop


def by_cookie(shop: Shop, customer: Customer, **changed: str) -> dict[str, str]:
    """The headers of a form sent from our page by a signed-in browser."""
    return {**PROGRAM, "cookie": f"{SESSION_COOKIE}={customer.session}", "origin": shop.url, **changed}


def form(customer: Customer, **changed: str) -> dict[str, str]:
    return {"pack": "pro", "method": "stripe", "form_token": customer.form_token, **changed}


async def test_the_page_shows_pack_price_and_the_account_that_will_be_credited(shop: Shop) -> None:
    customer, _ = shop.neighbours.new_customer()
    page = await shop.client.get(
        "/checkout",
        params={"pack": "25m"},
        headers={**PERSON, "cookie": f"{SESSION_COOKIE}={customer.session}"},
    )
    assert page.status_code == 200
    for text in ("Standard", "25,000,000", "$2.00", customer.email, "Pay by card", "Pay in Bitcoin"):
        assert text in page.text
    assert customer.form_token in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_a_stranger_is_asked_for_a_key_and_a_method_can_be_named(shop: Shop) -> None:
    page = await shop.client.get("/checkout", params={"pack": "pro", "method": "btcpay"}, headers=PERSON)
    assert 'name="key"' in page.text
    assert "Pay in Bitcoin" in page.text
    assert "Pay by card" not in page.text


async def test_the_form_may_lead_to_the_providers_pages_and_nowhere_else(shop: Shop) -> None:
    """Browsers apply form-action to the redirect that answers the form."""
    page = await shop.client.get("/checkout", params={"pack": "pro"}, headers=PERSON)
    policy = page.headers["content-security-policy"]
    assert f"form-action 'self' https://checkout.stripe.com {shop.url};" in policy


async def test_a_key_in_the_form_buys_and_cookies_are_ignored(shop: Shop) -> None:
    customer, key = shop.neighbours.new_customer()
    other, _ = shop.neighbours.new_customer()
    headers = by_cookie(shop, other, origin="https://elsewhere.example")
    reply = await shop.client.post("/checkout", data=form(other, key=key), headers=headers)
    assert reply.status_code == 303
    found = await shop.database.fetchval(
        "SELECT account_id FROM orders WHERE order_id::text = $1", reply.json()["purchase_id"]
    )
    assert found == customer.account_id


async def test_a_signed_in_browser_buys_from_our_page(shop: Shop) -> None:
    customer, _ = shop.neighbours.new_customer()
    reply = await shop.client.post("/checkout", data=form(customer), headers=by_cookie(shop, customer))
    assert reply.status_code == 303
    assert reply.headers["location"] == reply.json()["checkout_url"]


@pytest.mark.parametrize(
    ("origin", "token", "status"),
    [
        ("https://elsewhere.example", "the token of the form", 403),
        ("null", "the token of the form", 403),
        ("", "the token of the form", 403),
        ("own", "", 401),
        ("own", "another token", 401),
    ],
)
async def test_a_form_by_cookie_from_elsewhere_buys_nothing(
    shop: Shop, origin: str, token: str, status: int
) -> None:
    customer, _ = shop.neighbours.new_customer()
    headers = by_cookie(shop, customer, origin=shop.url if origin == "own" else origin)
    reply = await shop.client.post("/checkout", data=form(customer, form_token=token), headers=headers)
    assert reply.status_code == status


@pytest.mark.parametrize("key", ["", "sk-nonsense", "sk-" + "0" * 44])
async def test_without_a_key_that_works_nobody_buys(shop: Shop, key: str) -> None:
    data = {"pack": "pro", "method": "stripe", "key": key}
    reply = await shop.client.post("/checkout", data=data, headers=PROGRAM)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "not_signed_in")
    page = await shop.client.post("/checkout", data=data, headers=PERSON)
    assert page.headers["content-type"].startswith("text/html")


async def test_a_key_in_the_address_is_no_key(shop: Shop) -> None:
    _, key = shop.neighbours.new_customer()
    reply = await shop.client.post(
        "/checkout", params={"pack": "pro", "method": "stripe", "key": key}, headers=PROGRAM
    )
    assert reply.status_code == 401


async def test_no_key_and_no_address_reaches_a_provider(shop: Shop) -> None:
    customer, key = shop.neighbours.new_customer()
    for method in ("stripe", "btcpay"):
        data = {"pack": "pro", "method": method, "key": key}
        await shop.client.post("/checkout", data=data, headers=PROGRAM)
    told = json.dumps([*shop.fakes.stripe.objects.values(), *shop.fakes.btcpay.invoices.values()])
    assert key not in told
    assert customer.email not in told
    assert customer.account_id not in told


async def test_the_provider_hears_our_price_and_a_return_address_without_secrets(shop: Shop) -> None:
    bought = await shop.order("stripe", "5m")
    session = shop.session(bought)
    assert (session["amount_total"], session["currency"]) == (50, "usd")
    assert session["success_url"] == f"{shop.url}/purchases/{bought.purchase_id}"
    assert session["cancel_url"] == f"{shop.url}/checkout?pack=starter"
    assert session["metadata"] == session["payment_intent_metadata"] == {"order": bought.purchase_id}


async def test_a_bitcoin_customer_is_sent_to_the_public_address(shop: Shop) -> None:
    customer, key = shop.neighbours.new_customer()
    reply = await shop.client.post(
        "/checkout", data={"pack": "pro", "method": "btcpay", "key": key}, headers=PROGRAM
    )
    assert reply.headers["location"].startswith(f"{shop.url}/local/pay/btcpay/i/")
    invoice = shop.fakes.btcpay.invoices[reply.headers["location"].rsplit("/", 1)[-1]]
    assert (invoice["amount"], invoice["currency"]) == ("6.00", "USD")
    assert invoice["storeId"] == BTCPAY["btcpay_store_id"]
    assert customer.account_id not in json.dumps(invoice)


async def test_the_same_form_sent_twice_makes_one_order_and_one_checkout(shop: Shop) -> None:
    customer, key = shop.neighbours.new_customer()
    data = {"pack": "pro", "method": "stripe", "key": key, "order": str(new_uuid7())}
    replies = [await shop.client.post("/checkout", data=data, headers=PROGRAM) for _ in range(2)]
    assert len({reply.headers["location"] for reply in replies}) == 1
    assert (
        await shop.database.fetchval("SELECT count(*) FROM orders WHERE account_id = $1", customer.account_id)
        == 1
    )


@pytest.mark.parametrize("order", ["nonsense", str(UUID(int=0)), pytest.param(str(uuid4()), id="version 4")])
async def test_only_a_page_of_ours_names_orders(shop: Shop, order: str) -> None:
    _, key = shop.neighbours.new_customer()
    data = {"pack": "standard", "method": "stripe", "key": key, "order": order}
    reply = await shop.client.post("/checkout", data=data, headers=PROGRAM)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "unknown_order")


async def test_another_account_cannot_take_over_an_order(shop: Shop) -> None:
    bought = await shop.order("stripe")
    _, key = shop.neighbours.new_customer()
    data = {"pack": "standard", "method": "stripe", "key": key, "order": bought.purchase_id}
    reply = await shop.client.post("/checkout", data=data, headers=PROGRAM)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "form_is_stale")


@pytest.mark.parametrize("method", ["stripe", "btcpay"])
async def test_a_failing_provider_is_502_and_the_next_try_works(shop: Shop, method: str) -> None:
    """Stripe keeps a 500 under its key and gives it again: the next attempt has another key."""
    _, key = shop.neighbours.new_customer()
    data = {"pack": "pro", "method": method, "key": key, "order": str(new_uuid7())}
    api = shop.fakes.stripe_api if method == "stripe" else shop.fakes.btcpay_api
    api.failures = 1
    refused = await shop.client.post("/checkout", data=data, headers=PROGRAM)
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "payment_provider_failing")
    assert (await shop.client.post("/checkout", data=data, headers=PROGRAM)).status_code == 303
    keys = await shop.database.fetch(
        "SELECT idempotency_key FROM attempts WHERE order_id::text = $1 ORDER BY attempt", data["order"]
    )
    assert [row[0] for row in keys] == [f"topup:{data['order']}:{n}" for n in (1, 2)]


async def test_an_order_without_a_checkout_expires(shop: Shop) -> None:
    _, key = shop.neighbours.new_customer()
    data = {"pack": "pro", "method": "btcpay", "key": key, "order": str(new_uuid7())}
    shop.fakes.btcpay_api.failures = 1
    await shop.client.post("/checkout", data=data, headers=PROGRAM)
    await shop.database.execute(
        "UPDATE orders SET created_at = created_at - interval '2 hours' WHERE order_id::text = $1",
        data["order"],
    )
    await shop.reconcile()

    async def has_expired() -> bool:
        return bool(
            await shop.database.fetchval(
                "SELECT state = 'expired' FROM orders WHERE order_id::text = $1", data["order"]
            )
        )

    await eventually(has_expired)
    late = await shop.client.post("/checkout", data=data, headers=PROGRAM)
    assert (late.status_code, late.json()["error"]["code"]) == (400, "form_is_stale")


async def test_an_account_begins_a_bounded_number_of_checkouts(shop: Shop) -> None:
    customer, key = shop.neighbours.new_customer()
    await shop.database.execute(
        """
        INSERT INTO orders (order_id, account_id, pack, tokens, amount_cents, currency, method, seller, created_at, changed_at)
        SELECT gen_random_uuid(), $1, 'pro', 1, 1, 'usd', 'stripe', 'test', now(), now() FROM generate_series(1, 30)
        """,
        customer.account_id,
    )
    data = {"pack": "pro", "method": "stripe", "key": key}
    reply = await shop.client.post("/checkout", data=data, headers=PROGRAM)
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "too_many_orders")


async def test_accounts_being_down_is_503_and_makes_nothing(shop: Shop) -> None:
    _, key = shop.neighbours.new_customer()
    shop.neighbours.is_down = True
    try:
        data = {"pack": "pro", "method": "stripe", "key": key}
        reply = await shop.client.post("/checkout", data=data, headers=PROGRAM)
    finally:
        shop.neighbours.is_down = False
    assert reply.status_code == httpx.codes.SERVICE_UNAVAILABLE
