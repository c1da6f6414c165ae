"""Billing's routes: the packs are shown, and what cannot be paid yet is refused in so many words."""

from collections.abc import AsyncIterator

import httpx
import pytest

from services.billing.tests.billing_process import BTCPAY, STRIPE, serving, settings
from tests.support.servers import DatabaseFactory

PERSON = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PROGRAM = {"accept": "application/json"}


@pytest.fixture(scope="module")
async def client(database: DatabaseFactory, amqp_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(settings((await database("billing")).url, amqp_url)) as client:
        yield client


async def test_a_person_sees_the_packs_as_a_page(client: httpx.AsyncClient) -> None:
    page = await client.get("/packs", headers=PERSON)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for text in ("Starter", "5,000,000", "$0.50", "25,000,000", "$2.00", "100,000,000", "$6.00"):
        assert text in page.text


async def test_a_program_reads_the_packs_as_json(client: httpx.AsyncClient) -> None:
    reply = await client.get("/packs", headers=PROGRAM)
    assert reply.json()["packs"][0] == {
        "id": "starter",
        "tokens": 5_000_000,
        "price_cents": 50,
        "currency": "usd",
        "aliases": ["5m"],
    }


@pytest.mark.parametrize("verb", ["GET", "POST"])
@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"pack": "giant", "method": "stripe"}, 400, "unknown_pack"),
        ({"method": "stripe"}, 400, "unknown_pack"),
        ({"pack": "starter", "method": "cash"}, 400, "unknown_method"),
        ({"pack": "starter", "method": ""}, 400, "unknown_method"),
        ({"pack": "starter"}, 503, "not_configured"),
        ({"pack": "starter", "method": "stripe"}, 503, "not_configured"),
        ({"pack": "100m", "method": "btcpay"}, 503, "not_configured"),
    ],
)
async def test_a_checkout_that_cannot_be_is_refused_with_its_reason(
    client: httpx.AsyncClient, verb: str, query: dict[str, str], status: int, code: str
) -> None:
    reply = await client.request(verb, "/checkout", params=query, headers=PROGRAM)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


async def test_a_form_says_what_an_address_can_say(client: httpx.AsyncClient) -> None:
    form = {"pack": "pro", "method": "btcpay"}
    reply = await client.post("/checkout", data=form, headers=PROGRAM)
    assert reply.json()["error"]["code"] == "not_configured"


@pytest.mark.parametrize("body", [b"pack=" + b"x" * 10_000, b"\xff\xfe", b"&".join([b"a=1"] * 100)])
async def test_a_body_that_is_no_form_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    reply = await client.post("/checkout", content=body, headers=PROGRAM)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "not_a_form")


@pytest.mark.parametrize("query", [{"pack": "<b>giant"}, {"pack": "pro", "method": "stripe"}])
async def test_a_person_is_refused_by_a_page(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    page = await client.get("/checkout", params=query, headers=PERSON)
    assert page.status_code in (400, 503)
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "<b>" not in page.text


async def test_who_asks_for_nothing_in_particular_gets_the_page(client: httpx.AsyncClient) -> None:
    page = await client.get("/packs", headers={"accept": "*/*"})
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/stripe/webhook", "/btcpay/webhook"])
async def test_a_webhook_without_its_provider_is_503(client: httpx.AsyncClient, path: str) -> None:
    reply = await client.post(path, content=b"{}", headers={"stripe-signature": "t=1,v1=00"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "not_configured")


@pytest.mark.parametrize("missing", [*STRIPE, *BTCPAY])
async def test_a_provider_with_one_setting_missing_is_not_configured(missing: str) -> None:
    given = {**STRIPE, **BTCPAY, missing: ""}
    half_set_up = "stripe" if missing in STRIPE else "btcpay"
    assert half_set_up not in settings("unused", "unused", **given).configured


async def test_a_configured_provider_is_not_pretended_to_work(
    database: DatabaseFactory, amqp_url: str
) -> None:
    configured = settings((await database("billing")).url, amqp_url, **STRIPE, **BTCPAY)
    async with serving(configured) as client:
        for path in (
            "/checkout?pack=pro&method=btcpay",
            "/checkout?pack=pro",
            "/stripe/webhook",
            "/btcpay/webhook",
        ):
            reply = await client.post(path, headers=PROGRAM)
            assert (reply.status_code, reply.json()["error"]["code"]) == (503, "not_supported")


async def test_billing_is_ready_when_its_parts_answer(client: httpx.AsyncClient) -> None:
    assert (await client.get("/ready")).json() == {"status": "ready"}
