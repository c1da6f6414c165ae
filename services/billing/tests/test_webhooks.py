"""What the webhooks take and refuse, and that a hostile delivery changes nothing in the end."""

import hmac
import json
import time
from hashlib import sha256

import httpx
import pytest
import stripe

from tests.support.eventually import eventually
from tests.support.shop import BTCPAY, HONEST, STRIPE, Bought, Manner, Shop

SECRET = STRIPE["stripe_webhook_secret"]
TOKENS = 25_000_000
EVENT = {
    "id": "evt_of_nothing",
    "object": "event",
    "type": "invoice.paid",
    "created": 1,
    "data": {"object": {"id": "in_1", "object": "invoice"}},
}


def signed(body: str, *, at: float | None = None, secret: str = SECRET) -> str:
    header: str = stripe.WebhookSignature.generate_signature_header(
        body, secret, timestamp=int(at or time.time())
    )
    return header


def event(event_id: str) -> str:
    return json.dumps({**EVENT, "id": event_id})


async def post(shop: Shop, body: bytes | str, header: str) -> httpx.Response:
    headers = [(b"stripe-signature", header.encode("latin-1"))]
    return await shop.client.post("/stripe/webhook", content=body, headers=headers)


async def count_events(shop: Shop) -> int:
    return int(await shop.database.fetchval("SELECT count(*) FROM webhook_events"))


async def test_a_signed_event_is_taken_once(shop: Shop) -> None:
    before, body = await count_events(shop), event("evt_once")
    for _ in range(3):
        assert (await post(shop, body, signed(body))).status_code == 200
    assert await count_events(shop) == before + 1


async def test_one_of_several_signatures_is_enough_while_a_secret_is_rolled(shop: Shop) -> None:
    body = event("evt_rolled")
    header = signed(body)
    stamp, right = header.split(",")
    assert (await post(shop, body, f"{stamp},v1={'0' * 64},{right}")).status_code == 200


async def test_a_thin_event_is_taken(shop: Shop) -> None:
    body = json.dumps(
        {
            "id": "evt_thin",
            "object": "v2.core.event",
            "type": "v1.charge.refunded",
            "created": "2026-11-01T00:00:00Z",
            "related_object": {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"},
        }
    )
    assert (await post(shop, body, signed(body))).status_code == 200


@pytest.mark.parametrize(
    ("body", "header"),
    [
        pytest.param(event("evt_bad"), signed(event("evt_other")), id="of another body"),
        pytest.param(event("evt_bad"), signed(event("evt_bad"), secret="whsec_2"), id="with another secret"),
        pytest.param(event("evt_bad"), signed(event("evt_bad"), at=time.time() - 400), id="too old"),
        pytest.param(event("evt_bad"), signed(event("evt_bad"), at=time.time() + 86400), id="tomorrow"),
        pytest.param(event("evt_bad"), "", id="no signature"),
        pytest.param(event("evt_bad"), "nonsense", id="nonsense"),
        pytest.param(event("evt_bad"), "t=1,v0=00", id="only v0"),
        pytest.param(event("evt_bad"), f"t={int(time.time())},v1=é", id="not ASCII: a TypeError"),
        pytest.param(b"\xff\xfe", "t=1,v1=00", id="not UTF-8: a UnicodeDecodeError"),
        pytest.param("no json", signed("no json"), id="signed, not JSON"),
        pytest.param("[]", signed("[]"), id="signed, not an event"),
        pytest.param('{"object": "event"}', signed('{"object": "event"}'), id="signed, without an id"),
        pytest.param('{"id": 5, "type": "a"}', signed('{"id": 5, "type": "a"}'), id="signed, a wrong id"),
    ],
)
async def test_what_is_not_stripes_is_400_and_leaves_nothing(
    shop: Shop, body: bytes | str, header: str
) -> None:
    before = await count_events(shop)
    assert (await post(shop, body, header)).status_code == 400
    assert await count_events(shop) == before


@pytest.mark.parametrize("signature", ["", "sha256=", "sha256=00", "é", "sha1=00"])
async def test_what_is_not_btcpays_is_400_and_leaves_nothing(shop: Shop, signature: str) -> None:
    before = await count_events(shop)
    headers = [(b"btcpay-sig", signature.encode("latin-1"))]
    reply = await shop.client.post("/btcpay/webhook", content=b'{"deliveryId": "1"}', headers=headers)
    assert reply.status_code == 400
    assert await count_events(shop) == before


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"type": "InvoiceSettled"}'])
async def test_signed_nonsense_of_btcpay_is_400(shop: Shop, body: bytes) -> None:
    digest = hmac.new(BTCPAY["btcpay_webhook_secret"].encode(), body, sha256).hexdigest()
    reply = await shop.client.post(
        "/btcpay/webhook", content=body, headers={"btcpay-sig": f"sha256={digest}"}
    )
    assert reply.status_code == 400


async def test_a_body_beyond_the_bound_is_413(shop: Shop) -> None:
    assert (await post(shop, b"x" * 600_000, "t=1,v1=00")).status_code == 413


async def paid(shop: Shop, method: str) -> Bought:
    bought = await shop.order(method)
    if method == "stripe":
        shop.fakes.stripe.pay(shop.session(bought))
    else:
        shop.fakes.btcpay.pay(shop.invoice(bought))
        shop.fakes.btcpay.settle(shop.invoice(bought))
    return bought


@pytest.mark.parametrize("format_", ["snapshot", "thin", "both"])
@pytest.mark.parametrize("manner", [Manner(copies=3), Manner(reorders=True)], ids=["tripled", "reordered"])
async def test_stripe_may_repeat_reorder_and_say_it_twice(shop: Shop, format_: str, manner: Manner) -> None:
    shop.fakes.stripe_events.format, shop.fakes.engine.manner = format_, manner
    try:
        bought = await paid(shop, "stripe")
        shop.fakes.stripe.refund(shop.session(bought), 50)
        dispute = shop.fakes.stripe.dispute(shop.session(bought), "needs_response")
        shop.fakes.stripe.close_dispute(dispute, "won")
        await shop.becomes(bought, "partially_refunded")
        await everything_is_taken(shop)
    finally:
        shop.fakes.stripe_events.format, shop.fakes.engine.manner = "snapshot", HONEST
    purchase = await shop.becomes(bought, "partially_refunded")
    assert purchase["tokens_reversed"] == TOKENS // 4
    kinds = [kind for kind, _ in await shop.told(bought)]
    assert kinds.count("purchase_completed") == 1


@pytest.mark.parametrize("manner", [Manner(copies=3), Manner(reorders=True)], ids=["tripled", "reordered"])
async def test_btcpay_may_repeat_and_reorder(shop: Shop, manner: Manner) -> None:
    shop.fakes.engine.manner = manner
    try:
        bought = await paid(shop, "btcpay")
        await everything_is_taken(shop)
    finally:
        shop.fakes.engine.manner = HONEST
    await shop.becomes(bought, "paid")
    assert len(await shop.told(bought)) == 1


async def everything_is_taken(shop: Shop) -> None:
    async def is_so() -> bool:
        return all(each.is_taken for each in shop.fakes.engine.deliveries) and await shop.count_waiting() == 0

    await eventually(is_so)


async def test_replays_after_days_change_nothing(shop: Shop) -> None:
    """BTCPay signs no time: the old delivery is as good as new. Stripe's is signed anew when it is sent again."""
    bought = [await paid(shop, method) for method in ("stripe", "btcpay")]
    for each in bought:
        await shop.becomes(each, "paid")
    await shop.database.execute("DELETE FROM webhook_events")
    for delivery in list(shop.fakes.engine.deliveries)[-8:]:
        await shop.fakes.engine.send_again(delivery)
    for each in bought:
        await shop.becomes(each, "paid")
        assert len(await shop.told(each)) == 1


async def test_wrongly_signed_events_are_refused_for_good_and_the_order_is_found_all_the_same(
    shop: Shop,
) -> None:
    shop.fakes.engine.manner = Manner(signs_wrongly=True)
    bought = await paid(shop, "btcpay")
    shop.fakes.engine.manner = HONEST
    await shop.reconcile()
    await shop.becomes(bought, "paid")


async def test_a_provider_that_fails_while_an_event_is_followed_is_asked_again(shop: Shop) -> None:
    bought = await shop.order("btcpay")
    await shop.becomes(bought, "open")
    shop.fakes.btcpay_api.failing_reads = 1
    shop.fakes.btcpay.pay(shop.invoice(bought))
    await shop.becomes(bought, "processing")
