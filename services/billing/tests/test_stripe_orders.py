"""Paying by card, over the official library and real HTTP: what Stripe says in the end is what is booked."""

import pytest

from tests.support.eventually import eventually
from tests.support.shop import Bought, Shop

TOKENS = 25_000_000


async def paid(shop: Shop) -> Bought:
    bought = await shop.order("stripe")
    shop.fakes.stripe.pay(shop.session(bought))
    await shop.becomes(bought, "paid")
    return bought


async def test_a_paid_session_is_credited_once_with_a_receipt(shop: Shop) -> None:
    bought = await shop.order("stripe")
    assert (await shop.purchase(bought))["state"] == "open"
    shop.fakes.stripe.pay(shop.session(bought))
    purchase = await shop.becomes(bought, "paid")
    assert (purchase["is_credited"], purchase["tokens_reversed"]) == (True, 0)
    [(kind, event)] = await shop.told(bought)
    assert kind == "purchase_completed"
    assert event == {
        "purchase_id": bought.purchase_id,
        "account_id": bought.customer.account_id,
        "tokens": TOKENS,
        "pack": "standard",
        "amount_cents": 200,
        "currency": "usd",
        "method": "stripe",
        "receipt_number": purchase["receipt_number"],
        "revision": 2,
    }


async def test_a_payment_that_takes_days_is_credited_when_it_arrives(shop: Shop) -> None:
    bought = await shop.order("stripe")
    shop.fakes.stripe.pay_later(shop.session(bought))
    await shop.becomes(bought, "processing")
    assert await shop.told(bought) == []
    shop.fakes.stripe.money_arrives(shop.session(bought))
    await shop.becomes(bought, "paid")
    assert len(await shop.told(bought)) == 1


async def test_a_payment_that_fails_after_days_credits_nothing(shop: Shop) -> None:
    bought = await shop.order("stripe")
    shop.fakes.stripe.pay_later(shop.session(bought))
    shop.fakes.stripe.money_fails(shop.session(bought))
    await shop.becomes(bought, "failed")
    assert await shop.told(bought) == []


async def test_a_session_that_nobody_paid_expires(shop: Shop) -> None:
    bought = await shop.order("stripe")
    shop.fakes.stripe.expire(shop.session(bought))
    await shop.becomes(bought, "expired")


async def test_refunds_take_back_their_share_and_then_all(shop: Shop) -> None:
    bought = await paid(shop)
    shop.fakes.stripe.refund(shop.session(bought), 50)
    await shop.becomes(bought, "partially_refunded")
    shop.fakes.stripe.refund(shop.session(bought), 50)
    shop.fakes.stripe.refund(shop.session(bought), 100)
    await shop.becomes(bought, "refunded")
    totals = [event["tokens"] for kind, event in await shop.told(bought) if kind == "purchase_reversed"]
    assert totals[0] == TOKENS // 4
    assert totals[-1] == TOKENS
    assert totals == sorted(set(totals))


async def test_a_refund_that_fails_gives_the_tokens_back(shop: Shop) -> None:
    bought = await paid(shop)
    refund = shop.fakes.stripe.refund(shop.session(bought), 200)
    await shop.becomes(bought, "refunded")
    shop.fakes.stripe.refund_fails(refund)
    purchase = await shop.becomes(bought, "paid")
    assert purchase["tokens_reversed"] == 0
    assert [event["tokens"] for _, event in await shop.told(bought)] == [TOKENS, TOKENS, 0]


@pytest.mark.parametrize(
    ("verdict", "state", "kind"),
    [("won", "paid", "purchase_released"), ("lost", "dispute_lost", "purchase_reversed")],
)
async def test_a_dispute_freezes_and_its_end_releases_or_reverses(
    shop: Shop, verdict: str, state: str, kind: str
) -> None:
    bought = await paid(shop)
    dispute = shop.fakes.stripe.dispute(shop.session(bought), "needs_response")
    assert (await shop.becomes(bought, "disputed"))["is_frozen"]
    shop.fakes.stripe.close_dispute(dispute, verdict)
    assert not (await shop.becomes(bought, state))["is_frozen"]
    assert [each for each, _ in await shop.told(bought)] == ["purchase_completed", "purchase_frozen", kind]


async def test_an_inquiry_of_the_bank_changes_nothing(shop: Shop) -> None:
    bought = await paid(shop)
    shop.fakes.stripe.dispute(shop.session(bought), "warning_needs_response")

    async def was_looked_at() -> bool:
        return len(shop.fakes.engine.deliveries) > 0 and shop.fakes.engine.deliveries[-1].is_taken

    await eventually(was_looked_at)
    await shop.becomes(bought, "paid")
    assert len(await shop.told(bought)) == 1


async def test_a_session_over_another_amount_is_a_review_and_credits_nothing(shop: Shop) -> None:
    bought = await shop.order("stripe")
    session = shop.session(bought)
    session["amount_total"] = 50
    shop.fakes.stripe.pay(session)
    await shop.becomes(bought, "review")
    [review] = await shop.reviews(bought)
    assert review["reason"] == "mismatch: 0.50 USD to test, ordered 2.00 USD from test"
    assert await shop.told(bought) == []


async def test_metadata_buy_nothing(shop: Shop) -> None:
    """A session that names another order, and one that is none of ours, credit nobody."""
    bought = await shop.order("stripe")
    foreign = dict(shop.session(bought)) | {"id": "cs_test_foreign"}
    shop.fakes.stripe.objects["cs_test_foreign"] = foreign
    shop.fakes.stripe.pay(foreign)

    async def was_followed() -> bool:
        return shop.fakes.engine.deliveries[-1].is_taken and await shop.count_waiting() == 0

    await eventually(was_followed)
    assert (await shop.purchase(bought))["state"] == "open"


async def test_an_answer_that_lacks_what_it_needs_is_asked_for_again(shop: Shop) -> None:
    bought = await shop.order("stripe")
    session = shop.session(bought)
    held_back = session.pop("currency")
    session |= {"status": "complete", "payment_status": "paid"}
    assert (await shop.reconcile())["unanswered"] >= 1
    assert (await shop.purchase(bought))["state"] == "open"
    session["currency"] = held_back
    await shop.reconcile()
    await shop.becomes(bought, "paid")
