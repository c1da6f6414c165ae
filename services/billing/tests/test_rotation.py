"""While a webhook secret is changed, events signed with either are taken: none is lost in between."""

import hmac
import json
import time
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
import stripe

from tests.support.eventually import eventually
from tests.support.servers import DatabaseFactory
from tests.support.shop import BTCPAY, STRIPE, Shop, running_shop

OLD = {"stripe": STRIPE["stripe_webhook_secret"], "btcpay": BTCPAY["btcpay_webhook_secret"]}
NEW = {"stripe": "whsec_the_new_one", "btcpay": "the-new-one"}
TOKENS = 25_000_000


@pytest.fixture(scope="module")
async def shop(database: DatabaseFactory, amqp_url: str) -> AsyncIterator[Shop]:
    """The providers do not know the new ones yet."""
    both = {f"{method}_webhook_secret": f"{NEW[method]}, {OLD[method]}" for method in NEW}
    async with running_shop(database, amqp_url, **both) as running:
        yield running


async def post(shop: Shop, method: str, secret: str) -> int:
    if method == "stripe":
        body = json.dumps({"id": f"evt_{time.time_ns()}", "type": "x", "created": 1, "data": {"object": {}}})
        headers = {
            "stripe-signature": stripe.WebhookSignature.generate_signature_header(
                body, secret, timestamp=int(time.time())
            )
        }
    else:
        body = json.dumps({"deliveryId": str(time.time_ns()), "type": "InvoiceSettled", "invoiceId": "none"})
        headers = {"btcpay-sig": "sha256=" + hmac.new(secret.encode(), body.encode(), sha256).hexdigest()}
    return (await shop.client.post(f"/{method}/webhook", content=body, headers=headers)).status_code


@pytest.mark.parametrize("method", ["stripe", "btcpay"])
async def test_both_are_taken_and_no_third(shop: Shop, method: str) -> None:
    assert await post(shop, method, NEW[method]) == 200
    assert await post(shop, method, OLD[method]) == 200
    assert await post(shop, method, f"{NEW[method]}, {OLD[method]}") == 400
    assert await post(shop, method, "") == 400


@pytest.mark.parametrize("method", ["stripe", "btcpay"])
async def test_a_payment_told_of_with_the_old_one_is_credited(shop: Shop, method: str) -> None:
    bought = await shop.order(method)
    if method == "stripe":
        shop.fakes.stripe.pay(shop.session(bought))
    else:
        shop.fakes.btcpay.pay(shop.invoice(bought))
        shop.fakes.btcpay.settle(shop.invoice(bought))

    async def all_were_taken() -> bool:
        return bool(deliveries := shop.fakes.engine.deliveries) and all(each.is_taken for each in deliveries)

    await eventually(all_were_taken)
    await shop.becomes(bought, "paid")
    [(kind, told)] = await shop.told(bought)
    assert (kind, told["tokens"]) == ("purchase_completed", TOKENS)
