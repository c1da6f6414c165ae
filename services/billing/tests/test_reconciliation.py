"""What nobody told us is found; what differs is repaired by the same state machine, or shown to a human."""

from services.billing.domain.ledger import LedgerGrant
from tests.support.eventually import eventually
from tests.support.shop import HONEST, Bought, Manner, Shop

TOKENS = 25_000_000


async def paid_in_silence(shop: Shop, method: str) -> Bought:
    """Paid, and every event about it lost."""
    bought = await shop.order(method)
    await shop.becomes(bought, "open")
    shop.fakes.engine.manner = Manner(drops=True)
    if method == "stripe":
        shop.fakes.stripe.pay(shop.session(bought))
    else:
        shop.fakes.btcpay.pay(shop.invoice(bought))
        shop.fakes.btcpay.settle(shop.invoice(bought))
    shop.fakes.engine.manner = HONEST
    return bought


async def paid(shop: Shop) -> Bought:
    bought = await shop.order("stripe")
    shop.fakes.stripe.pay(shop.session(bought))
    await shop.becomes(bought, "paid")
    return bought


async def test_lost_events_cost_no_purchase(shop: Shop) -> None:
    lost = [await paid_in_silence(shop, method) for method in ("stripe", "btcpay")]
    findings = await shop.reconcile()
    assert findings["orders_changed"] + findings["events_found"] >= len(lost)
    for bought in lost:
        await shop.becomes(bought, "paid")
        assert len(await shop.told(bought)) == 1


async def test_an_open_order_is_looked_up_within_a_minute_by_itself(shop: Shop) -> None:
    """The schedule looks every other second for what is due; here it is due now."""
    bought = await paid_in_silence(shop, "btcpay")
    await shop.database.execute("UPDATE orders SET next_check_at = now() WHERE state = 'open'")
    await shop.becomes(bought, "paid", within_seconds=15)


async def test_events_that_stripe_could_not_deliver_are_fetched(shop: Shop) -> None:
    bought = await paid(shop)
    shop.fakes.engine.manner = Manner(drops=True)
    shop.fakes.stripe.refund(shop.session(bought), 200)
    shop.fakes.engine.manner = HONEST
    assert (await shop.reconcile())["events_found"] > 0
    await shop.becomes(bought, "refunded")
    assert (await shop.reconcile())["events_found"] == 0


async def test_a_credit_that_the_ledger_lacks_is_told_again(shop: Shop) -> None:
    bought = await paid(shop)
    shop.neighbours.grants[bought.customer.account_id] = {}
    await shop.make_older(bought, "5 minutes")
    assert (await shop.reconcile())["ledger_differences"] >= 1
    kinds = [kind for kind, _ in await shop.told(bought)]
    assert kinds == ["purchase_completed", "purchase_completed"]
    revisions = [event["revision"] for _, event in await shop.told(bought)]
    assert len(set(revisions)) == 2


async def test_what_the_ledger_does_not_take_is_a_review_that_ends_when_it_does(shop: Shop) -> None:
    bought = await paid(shop)
    grants = shop.neighbours.grants[bought.customer.account_id] = {
        bought.purchase_id: LedgerGrant(5, 0, is_frozen=False)
    }
    for _ in range(2):
        await shop.make_older(bought, "1 hour")
        await shop.reconcile()
    [review] = await shop.reviews(bought)
    assert review["reason"] == f"ledger_differs: 5 tokens were credited instead of {TOKENS}"
    grants[bought.purchase_id] = LedgerGrant(TOKENS, 0, is_frozen=False)
    await shop.reconcile()
    assert await shop.reviews(bought) == []


async def test_a_credit_that_the_ledger_has_is_no_difference(shop: Shop) -> None:
    bought = await paid(shop)
    shop.neighbours.grants[bought.customer.account_id] = {
        bought.purchase_id: LedgerGrant(TOKENS, 0, is_frozen=False)
    }
    await shop.make_older(bought, "1 hour")
    await shop.reconcile()
    assert len(await shop.told(bought)) == 1
    agreed = await shop.database.fetchval(
        "SELECT ledger_agreed_version = version FROM orders WHERE order_id::text = $1", bought.purchase_id
    )
    assert agreed


async def test_a_provider_that_is_down_is_counted_and_asked_again_later(shop: Shop) -> None:
    await shop.order("btcpay")
    shop.fakes.btcpay_api.failing_reads = 1000
    assert (await shop.reconcile())["unanswered"] >= 1
    shop.fakes.btcpay_api.failing_reads = 0


async def test_a_provider_that_forgot_an_open_order_ends_it(shop: Shop) -> None:
    """As the stand-ins do when they are started anew."""
    bought = await shop.order("stripe")
    del shop.fakes.stripe.objects[bought.provider_id]
    await shop.reconcile()
    await shop.becomes(bought, "expired")


async def test_differences_and_orders_are_measured(shop: Shop) -> None:
    async def shows() -> bool:
        text = (await shop.client.get("/metrics")).text
        return all(
            name in text
            for name in (
                'promptly_billing_orders{state="paid"}',
                'promptly_billing_reconciliation_differences_total{kind="order"}',
                'promptly_billing_reconciliation_differences_total{kind="event"}',
                'promptly_billing_reconciliation_differences_total{kind="ledger"}',
                "promptly_billing_webhook_lag_seconds_bucket",
                "promptly_billing_oldest_event_seconds",
                "promptly_billing_reviews_open",
            )
        )

    await eventually(shows)
