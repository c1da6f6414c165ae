"""The stand-ins of the payment providers keep the real rules, and stay on loopback."""

import time
from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.local.fakes.app import Fakes
from deploy.local.fakes.settings import FakeSettings, refusal
from tests.support.in_process import loopback_socket, serving

SETTINGS = FakeSettings(
    base_url="http://127.0.0.1:8503",
    stripe_hook="http://127.0.0.1:9/stripe/webhook",
    btcpay_hook="http://127.0.0.1:9/btcpay/webhook",
    stripe_key="sk_test_1",
    stripe_webhook_secret="whsec_1",
    btcpay_key="key",
    btcpay_store_id="store",
    btcpay_webhook_secret="secret",
)
SESSION = {
    "mode": "payment",
    "success_url": "http://127.0.0.1:8503/done",
    "cancel_url": "http://127.0.0.1:8503/",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "usd",
    "line_items[0][price_data][unit_amount]": "200",
    "line_items[0][price_data][product_data][name]": "Standard",
    "expires_at": "4102444800",
}
KEY = {"authorization": "Bearer sk_test_1"}


@pytest.fixture
async def fakes() -> AsyncIterator[tuple[Fakes, httpx.AsyncClient]]:
    running = Fakes(SETTINGS)
    async with (
        serving(running.app(), loopback_socket()) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        yield running, client


def session(**changed: str) -> dict[str, str]:
    soon = str(int(time.time()) + 3600)
    return {**SESSION, "expires_at": soon, **changed}


async def create(client: httpx.AsyncClient, form: dict[str, str], key: str = "k") -> httpx.Response:
    headers = {**KEY, "idempotency-key": key}
    return await client.post("/v1/checkout/sessions", data=form, headers=headers)


async def test_the_same_key_gives_the_same_session(fakes: tuple[Fakes, httpx.AsyncClient]) -> None:
    form = session()
    first, second = [await create(fakes[1], form) for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotent-replayed"] == "true"


async def test_the_same_key_for_something_else_is_an_error(fakes: tuple[Fakes, httpx.AsyncClient]) -> None:
    await create(fakes[1], session())
    other = await create(fakes[1], session(client_reference_id="another"))
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")


async def test_a_500_is_kept_under_its_key_and_a_refusal_is_not(
    fakes: tuple[Fakes, httpx.AsyncClient],
) -> None:
    form = session()
    fakes[0].stripe_api.failures = 1
    assert [(await create(fakes[1], form, "broken")).status_code for _ in range(2)] == [500, 500]
    assert (await create(fakes[1], {**form, "mode": ""}, "mended")).status_code == 400
    assert (await create(fakes[1], form, "mended")).status_code == 200


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"line_items[0][price_data][unit_amount]": "49"}, "amount_too_small"),
        ({"line_items[0][price_data][unit_amount]": "two"}, "parameter_invalid_integer"),
        ({"no_such_thing": "1"}, "parameter_unknown"),
        ({"success_url": "nowhere"}, "url_invalid"),
        ({"mode": ""}, "parameter_missing"),
        ({"expires_at": "1"}, None),
    ],
)
async def test_what_stripe_refuses_is_refused(
    fakes: tuple[Fakes, httpx.AsyncClient], changed: dict[str, str], code: str | None
) -> None:
    reply = await create(fakes[1], session(**changed))
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize("path", ["/v1/checkout/sessions/cs_none", "/v1/charges/ch_none", "/v1/no/such"])
async def test_what_is_not_there_is_404(fakes: tuple[Fakes, httpx.AsyncClient], path: str) -> None:
    assert (await fakes[1].get(path, headers=KEY)).status_code == 404


async def test_another_key_opens_nothing(fakes: tuple[Fakes, httpx.AsyncClient]) -> None:
    wrong = {"authorization": "Bearer sk_test_2"}
    assert (await fakes[1].get("/v1/events", headers=wrong)).status_code == 401
    for headers, status in (({"authorization": "token no"}, 401), ({"authorization": "token key"}, 403)):
        reply = await fakes[1].get("/api/v1/stores/another/invoices/i", headers=headers)
        assert reply.status_code == status


async def test_undelivered_events_are_listed_a_page_at_a_time(
    fakes: tuple[Fakes, httpx.AsyncClient],
) -> None:
    created = (await create(fakes[1], session())).json()
    fakes[0].stripe.pay(fakes[0].stripe.session(created["id"]))
    params = {"delivery_success": "false", "limit": "2"}
    first = (await fakes[1].get("/v1/events", params=params, headers=KEY)).json()
    after = {**params, "starting_after": first["data"][-1]["id"]}
    second = (await fakes[1].get("/v1/events", params=after, headers=KEY)).json()
    types = [event["type"] for event in first["data"] + second["data"]]
    assert types == ["checkout.session.completed", "payment_intent.succeeded", "charge.succeeded"]
    assert (first["has_more"], second["has_more"]) == (True, False)


async def test_the_pay_page_says_that_it_is_a_stand_in(fakes: tuple[Fakes, httpx.AsyncClient]) -> None:
    created = (await create(fakes[1], session())).json()
    page = await fakes[1].get(f"/local/pay/stripe/{created['id']}")
    assert "This is not Stripe." in page.text
    assert "no money moves" in page.text
    assert (await fakes[1].get("/local/pay/stripe/cs_none")).status_code == 404


async def test_the_page_can_make_the_next_order_fail(fakes: tuple[Fakes, httpx.AsyncClient]) -> None:
    created = (await create(fakes[1], session())).json()
    form = {"api": "answer 500 to the next new order"}
    await fakes[1].post(f"/local/pay/stripe/{created['id']}", data=form)
    assert (await create(fakes[1], session(), "another")).status_code == 500


async def test_a_foreign_host_name_is_refused(fakes: tuple[Fakes, httpx.AsyncClient]) -> None:
    reply = await fakes[1].get("/health", headers={"host": "shop.example"})
    assert reply.status_code == 403


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({}, "LOCAL_FAKES"),
        ({"LOCAL_FAKES": "1"}, "BASE_URL"),
        ({"LOCAL_FAKES": "1", "BASE_URL": "https://promptlyapi.com"}, "BASE_URL"),
    ],
)
def test_they_run_only_at_home(environment: dict[str, str], word: str) -> None:
    assert word in (refusal(environment) or "")


def test_at_home_they_run() -> None:
    assert refusal({"LOCAL_FAKES": "1", "BASE_URL": "http://127.0.0.1:8503"}) is None
