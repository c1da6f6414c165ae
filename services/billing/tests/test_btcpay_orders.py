"""Paying in Bitcoin, over real HTTP: each state of an invoice and what is booked for it."""

import pytest

from tests.support.shop import BTCPAY_OUTCOMES, Bought, Shop

TOKENS = 25_000_000


async def ordered(shop: Shop, *outcomes: str) -> Bought:
    bought = await shop.order("btcpay")
    for outcome in outcomes:
        happen(shop, bought, outcome)
    return bought


def happen(shop: Shop, bought: Bought, outcome: str) -> None:
    BTCPAY_OUTCOMES[outcome](shop.fakes.btcpay, shop.invoice(bought))


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        (["pay, unconfirmed"], "processing"),
        (["pay, unconfirmed", "never confirmed"], "failed"),
        (["let it expire"], "expired"),
        (["mark as invalid"], "failed"),
    ],
)
async def test_what_is_not_settled_credits_nothing(shop: Shop, outcomes: list[str], state: str) -> None:
    bought = await ordered(shop, *outcomes)
    await shop.becomes(bought, state)
    assert await shop.told(bought) == []


async def test_a_settled_invoice_is_credited_once(shop: Shop) -> None:
    bought = await ordered(shop, "pay")
    await shop.becomes(bought, "paid")
    [(kind, event)] = await shop.told(bought)
    assert (kind, event["tokens"], event["method"]) == ("purchase_completed", TOKENS, "btcpay")


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        (["let it expire", "pay, unconfirmed"], "paid_late"),
        (["let it expire", "pay, unconfirmed", "confirm"], "paid_late"),
        (["pay half", "let it expire"], "paid_partly"),
        (["let it expire", "pay half"], "paid_partly"),
        (["mark as settled"], "marked_paid"),
    ],
)
async def test_money_that_came_otherwise_than_agreed_waits_for_a_human(
    shop: Shop, outcomes: list[str], reason: str
) -> None:
    bought = await ordered(shop, *outcomes)
    await shop.becomes(bought, "review")
    [review] = await shop.reviews(bought)
    assert review["reason"].startswith(reason)
    assert await shop.told(bought) == []


async def test_a_late_payment_that_is_accepted_is_credited(shop: Shop) -> None:
    bought = await ordered(shop, "let it expire", "pay, unconfirmed")
    await shop.becomes(bought, "review")
    [review] = await shop.reviews(bought)
    assert (await shop.decide(review, "credit")).json()["state"] == "paid"
    assert (await shop.decide(review, "credit")).status_code == 409
    assert [event["tokens"] for _, event in await shop.told(bought)] == [TOKENS]
    assert await shop.reviews(bought) == []


async def test_half_a_payment_that_is_accepted_credits_half(shop: Shop) -> None:
    bought = await ordered(shop, "pay half", "let it expire")
    await shop.becomes(bought, "review")
    [review] = await shop.reviews(bought)
    assert review["decisions"] == ["credit_part", "reject"]
    assert (await shop.decide(review, "credit")).status_code == 400
    assert (await shop.decide(review, "credit_part")).json()["is_credited"]
    assert [event["tokens"] for _, event in await shop.told(bought)] == [TOKENS // 2]


async def test_a_payment_that_is_rejected_credits_nothing(shop: Shop) -> None:
    bought = await ordered(shop, "mark as settled")
    await shop.becomes(bought, "review")
    [review] = await shop.reviews(bought)
    assert (await shop.decide(review, "reject")).json()["state"] == "failed"
    assert await shop.told(bought) == []


async def test_paid_too_much_credits_the_order_and_notes_the_excess(shop: Shop) -> None:
    bought = await ordered(shop, "pay one and a half")
    await shop.becomes(bought, "paid")
    [review] = await shop.reviews(bought)
    assert review["reason"] == "paid_over: paid 3.00 USD of 2.00 USD"
    assert (await shop.decide(review, "done")).json()["state"] == "paid"
    assert [event["tokens"] for _, event in await shop.told(bought)] == [TOKENS]


async def test_a_review_ends_by_itself_when_the_payment_is_complete_after_all(shop: Shop) -> None:
    bought = await ordered(shop, "pay half", "let it expire")
    await shop.becomes(bought, "review")
    shop.invoice(bought).update(additionalStatus="None", paidAmount="2.00")
    happen(shop, bought, "confirm")
    await shop.becomes(bought, "paid")
    assert await shop.reviews(bought) == []


async def test_an_invoice_marked_invalid_after_its_credit_is_reversed_by_decision(shop: Shop) -> None:
    bought = await ordered(shop, "pay")
    await shop.becomes(bought, "paid")
    happen(shop, bought, "mark as invalid")
    await shop.becomes(bought, "paid")
    [review] = await shop.reviews(bought)
    assert review["reason"].startswith("invalid_after_credit")
    assert (await shop.decide(review, "reverse")).json()["state"] == "refunded"
    assert [kind for kind, _ in await shop.told(bought)] == ["purchase_completed", "purchase_reversed"]


async def test_a_refund_that_the_invoice_does_not_show_is_a_question(shop: Shop) -> None:
    bought = await ordered(shop, "pay")
    await shop.becomes(bought, "paid")
    happen(shop, bought, "refund")
    happen(shop, bought, "refund")
    await shop.becomes(bought, "paid")
    [review] = await shop.reviews(bought)
    assert review["reason"].startswith("refund_announced")
    assert (await shop.decide(review, "keep")).json()["tokens_reversed"] == 0


@pytest.mark.parametrize("changed", [{"amount": "0.50"}, {"currency": "EUR"}, {"storeId": "another"}])
async def test_an_invoice_over_something_else_credits_nothing(shop: Shop, changed: dict[str, str]) -> None:
    bought = await shop.order("btcpay")
    shop.invoice(bought).update(changed)
    happen(shop, bought, "pay")
    await shop.becomes(bought, "review")
    assert (await shop.reviews(bought))[0]["reason"].startswith("mismatch")
    assert await shop.told(bought) == []
