"""The dashboard's parts: requests and receipts, usage as a file, keys in use, purchases, packs, payments that arrive."""

from datetime import timedelta

import pytest

from services.accounts.domain.payments import PaymentNews, PaymentState, news_of
from services.accounts.tests.accounts_process import Accounts
from services.accounts.tests.browser import Browser
from services.accounts.tests.facts import NOW, purchase, receipt
from services.accounts.tests.neighbours import Neighbours
from shared.clock import utc_now

PATHS = [
    "/dashboard/usage.csv",
    "/dashboard/payment",
    "/dashboard/requests",
    f"/dashboard/requests/{'0' * 32}",
]


async def signed_in(panel: Accounts, neighbours: Neighbours, email: str, **balance: int) -> str:
    """The account's id, with its session in the browser."""
    key = await panel.new_key(email)
    neighbours.knows(key[3:11], **balance)
    await Browser(panel).sign_in(key)
    return key[3:11]


async def test_recent_requests_lead_to_their_receipts(panel: Accounts, neighbours: Neighbours) -> None:
    account_id = await signed_in(panel, neighbours, "requests@example.com")
    one = receipt(account_id)
    neighbours.receipts = [one]
    page = (await panel.http.get("/dashboard")).text
    assert "gpt-oss-20b-mxfp4.gguf" in page
    assert f'href="/dashboard/requests/{one.request_id}"' in page
    shown = (await panel.http.get(f"/dashboard/requests/{one.request_id}")).text
    for each in ("60 tokens", "/v1/chat/completions", "c2lnbmVk", "k1"):
        assert each in shown


@pytest.mark.parametrize("request_id", ["x", "01a20847-367c-7339-b68c-000000000000"])
async def test_a_request_that_is_not_mine_is_404(
    panel: Accounts, neighbours: Neighbours, request_id: str
) -> None:
    await signed_in(panel, neighbours, "notmine@example.com")
    neighbours.receipts = [receipt("SomeElse")]
    assert (await panel.http.get(f"/dashboard/requests/{request_id}")).status_code == 404


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_session_nothing_is_told(panel: Accounts, path: str) -> None:
    assert (await panel.http.get(path)).status_code == 401


async def test_a_page_of_requests_that_never_was_is_400_and_no_outage(
    panel: Accounts, neighbours: Neighbours
) -> None:
    key = await panel.new_key("cursor@example.com")
    neighbours.knows(key[3:11])
    await Browser(panel).sign_in(key)
    page = await panel.http.get("/dashboard/requests", params={"cursor": "broken"})
    assert (page.status_code, "No such cursor." in page.text) == (400, True)


async def test_usage_comes_as_a_file_of_the_chosen_range(panel: Accounts, neighbours: Neighbours) -> None:
    account_id = await signed_in(panel, neighbours, "csv@example.com")
    neighbours.used(account_id, utc_now().date(), requests=3, prompt=40, completion=20)
    reply = await panel.http.get("/dashboard/usage.csv", params={"days": "7"})
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="promptly-usage-7-days.csv"' in reply.headers["content-disposition"]
    assert reply.text.splitlines() == [
        "day_utc,requests,tokens_prompt,tokens_completion,tokens",
        f"{utc_now().date()},3,40,20,60",
    ]


@pytest.mark.parametrize(("days", "bars"), [("7", 7), ("90", 90), ("1000", 30), ("x", 30)])
async def test_the_chart_shows_the_chosen_range(
    panel: Accounts, neighbours: Neighbours, days: str, bars: int
) -> None:
    account_id = await signed_in(panel, neighbours, f"range{days}@example.com")
    neighbours.used(account_id, utc_now().date(), requests=3, prompt=40, completion=20)
    page = (await panel.http.get("/dashboard", params={"days": days})).text
    assert page.count('class="quiet" x=') == bars - 1
    assert f"last {bars} days" in page


async def test_each_key_tells_what_it_used_and_when(panel: Accounts, neighbours: Neighbours) -> None:
    account_id = await signed_in(panel, neighbours, "used@example.com")
    key_id = str(
        await panel.database.fetchval("SELECT key_id FROM api_keys WHERE account_id = $1", account_id)
    )
    neighbours.receipts = [receipt(account_id, key_id=key_id)]
    assert "60 tokens in 30 days" in (await panel.http.get("/dashboard")).text
    neighbours.receipts = []
    assert "Not used in 30 days" in (await panel.http.get("/dashboard")).text


async def test_purchases_have_their_state_and_receipt(panel: Accounts, neighbours: Neighbours) -> None:
    account_id = await signed_in(panel, neighbours, "bought@example.com")
    neighbours.purchases = [purchase(account_id), purchase(account_id, state="disputed", is_frozen=True)]
    page = (await panel.http.get("/dashboard")).text
    for shown in ("$6.00", "credited", "disputed", "P-2026-0001", "/purchases/p-1"):
        assert shown in page


async def test_packs_have_a_button_for_each_way_to_pay_that_is_set_up(
    panel: Accounts, neighbours: Neighbours
) -> None:
    await signed_in(panel, neighbours, "pay@example.com")
    neighbours.methods = ("stripe", "btcpay")
    page = (await panel.http.get("/dashboard")).text
    for method in neighbours.methods:
        assert f"/checkout?pack=pro&amp;method={method}" in page
    neighbours.methods = ()
    page = (await panel.http.get("/dashboard")).text
    assert "/checkout" not in page
    assert "Payments are not set up" in page


async def test_a_payment_on_its_way_is_announced_until_it_is_credited(
    panel: Accounts, neighbours: Neighbours
) -> None:
    account_id = await signed_in(panel, neighbours, "waiting@example.com")
    neighbours.purchases = [purchase(account_id, state="processing", is_credited=False, paid_at=None)]
    page = (await panel.http.get("/dashboard")).text
    assert "Your payment is on its way" in page
    assert 'http-equiv="refresh"' in page
    assert (await panel.http.get("/dashboard/payment")).json() == {"state": "arriving"}
    neighbours.purchases = [purchase(account_id)]
    page = (await panel.http.get("/dashboard")).text
    assert "Payment received" in page
    assert 'http-equiv="refresh"' not in page
    assert (await panel.http.get("/dashboard/payment")).json() == {"state": "arrived"}


async def test_the_page_stands_with_everybody_away(accounts: Accounts) -> None:
    await Browser(accounts).sign_in(await accounts.new_key("away@example.com"))
    page = (await accounts.http.get("/dashboard")).text
    for shown in ("Your balance is not known yet", "usage cannot be shown", "purchases cannot be shown"):
        assert shown in page
    assert (await accounts.http.get("/dashboard/usage.csv")).status_code == 503


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"state": "processing", "is_credited": False}, PaymentState.ARRIVING),
        ({"state": "paid", "is_credited": False}, PaymentState.ARRIVING),
        ({"state": "open", "is_credited": False, "paid_at": None}, PaymentState.NONE),
        ({"state": "paid"}, PaymentState.ARRIVED),
        ({"state": "paid", "paid_at": NOW - timedelta(minutes=11)}, PaymentState.NONE),
        (
            {"state": "processing", "is_credited": False, "created_at": NOW - timedelta(days=2)},
            PaymentState.NONE,
        ),
    ],
)
def test_the_news_of_a_payment(given: dict[str, object], state: PaymentState) -> None:
    assert news_of([purchase("AAAAAAAA", **given)], NOW).state is state


def test_without_orders_there_is_no_news() -> None:
    assert news_of([], NOW) == PaymentNews(PaymentState.NONE)
