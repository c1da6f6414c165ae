"""Billing's routes before any provider is set up: the packs are shown, and what cannot be is refused in so many words."""

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import ValidationError

from services.billing.app import build_app
from tests.support.servers import DatabaseFactory
from tests.support.shop import BTCPAY, INTERNAL, PERSON, PROGRAM, STRIPE, settings

UNUSED = ("postgresql://nobody@127.0.0.1:9/nothing", "amqp://nobody@127.0.0.1:9/")


@pytest.fixture(scope="module")
async def client(database: DatabaseFactory, amqp_url: str) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(settings((await database("billing")).url, amqp_url))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://billing") as client,
    ):
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


@pytest.mark.parametrize("body", [b"pack=" + b"x" * 10_000, b"\xff\xfe", b"&".join([b"a=1"] * 100)])
async def test_a_body_that_is_no_form_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    reply = await client.post("/checkout", content=body, headers=PROGRAM)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "not_a_form")


@pytest.mark.parametrize("query", [{"pack": "<b>giant"}, {"pack": "pro", "method": "stripe"}])
async def test_a_person_is_refused_by_a_page(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    page = await client.get("/checkout", params=query, headers=PERSON)
    assert page.status_code in (400, 503)
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["referrer-policy"] == "same-origin"
    assert "<b>" not in page.text


async def test_who_asks_for_nothing_in_particular_gets_the_page(client: httpx.AsyncClient) -> None:
    page = await client.get("/packs", headers={"accept": "*/*"})
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/stripe/webhook", "/btcpay/webhook"])
async def test_a_webhook_without_its_provider_is_503(client: httpx.AsyncClient, path: str) -> None:
    """Never an HMAC with nothing: this one would be right."""
    reply = await client.post(path, content=b"{}", headers={"stripe-signature": "t=1,v1=00"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "not_configured")


async def test_the_other_services_are_told_that_nothing_can_be_paid(client: httpx.AsyncClient) -> None:
    reply = await client.get("/internal/payment-methods", headers=INTERNAL)
    assert reply.json() == {"methods": []}


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/internal/payment-methods"),
        ("GET", "/internal/purchases"),
        ("GET", "/internal/accounts/Ab3dE5gH/purchases"),
        ("GET", "/internal/reviews"),
        ("POST", "/internal/reviews/019a3f6e-0000-7000-8000-0000000000aa/decide"),
        ("POST", "/internal/reconcile"),
    ],
)
async def test_internal_routes_are_closed_to_strangers(
    client: httpx.AsyncClient, verb: str, path: str
) -> None:
    assert (await client.request(verb, path, json={})).status_code == 403


@pytest.mark.parametrize("missing", [*STRIPE, *BTCPAY])
def test_a_provider_with_one_setting_missing_is_refused_by_its_name(missing: str) -> None:
    with pytest.raises(ValidationError, match=f"{missing.upper()} must be set where"):
        settings(*UNUSED, **{**STRIPE, **BTCPAY, missing: ""})


@pytest.mark.parametrize(("given", "method"), [(STRIPE, "stripe"), (BTCPAY, "btcpay")])
def test_one_provider_may_be_set_up_without_the_other(given: dict[str, str], method: str) -> None:
    assert settings(*UNUSED, **given).configured == {method}


def test_fakes_are_refused_away_from_loopback() -> None:
    with pytest.raises(ValidationError, match="loopback"):
        settings(*UNUSED, local_fakes=True, base_url="https://promptlyapi.com")


def test_a_stand_in_of_stripe_needs_local_fakes() -> None:
    with pytest.raises(ValidationError, match="LOCAL_FAKES"):
        settings(*UNUSED, stripe_api_url="http://127.0.0.1:1")


async def test_billing_is_ready_when_its_parts_answer(client: httpx.AsyncClient) -> None:
    assert (await client.get("/ready")).json() == {"status": "ready"}
