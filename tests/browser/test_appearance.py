"""Every page in its states, light and dark, on a phone and on a desk: pictures are kept, faults of access refused."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest
from playwright.async_api import Browser
from redis.asyncio import Redis

from services.accounts.tests.accounts_process import ADMIN_KEY, Accounts, settings
from services.accounts.tests.facts import NOW, purchase, receipt, refused_mail, review
from services.accounts.tests.ledger_stand_in import answering
from services.accounts.tests.neighbours import Neighbours
from tests.browser.pages_server import a_free_port, pages_at
from tests.browser.watched_page import WatchedPage, watched
from tests.support.servers import DatabaseFactory

LONG = "a-person-with-a-very-long-name.and-more-of-it@" + "a-very-long-host-name." * 8 + "example.com"
LONG = LONG.replace(
    "a-person-with-a-very-long-name.and-more-of-it", "a-person-with-a-very-long-name-of-theirs"
)


@dataclass
class Scene:
    """Pages to look at, and the stand-ins that decide what they show."""

    url: str
    accounts: Accounts
    neighbours: Neighbours

    async def new_key(self, email: str, **balance: int) -> str:
        key = await self.accounts.new_key(email)
        self.neighbours.knows(key[3:11], **balance)
        return key


@pytest.fixture(scope="module")
async def scene(database: DatabaseFactory, redis_url: str, amqp_url: str) -> AsyncIterator[Scene]:
    schema, port = await database("accounts"), a_free_port()
    async with answering(Neighbours()) as neighbours:
        urls = dict.fromkeys(("metering_url", "billing_url", "notifier_url", "gateway_url"), neighbours.url)
        chosen = settings(schema.url, redis_url, amqp_url, base_url=f"http://127.0.0.1:{port}", **urls)
        async with (
            pages_at(port, chosen) as url,
            httpx.AsyncClient(base_url=url) as client,
            Redis.from_url(redis_url) as redis,
        ):
            looks = await asyncpg.connect(schema.url)
            yield Scene(url, Accounts(client, looks, redis), neighbours)
            await looks.close()


@pytest.fixture
async def page(scene: Scene, browser: Browser, artifacts: Path) -> AsyncIterator[WatchedPage]:
    seen = await watched(browser, artifacts, scene.url)
    yield seen
    await seen.page.context.close()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "landing"),
        ("/docs", "docs"),
        ("/register", "register"),
        ("/dashboard", "sign-in"),
        ("/status", "status"),
    ],
)
async def test_the_public_pages(page: WatchedPage, path: str, name: str) -> None:
    await page.page.goto(path)
    await page.look(name)
    page.assert_quiet()


@pytest.mark.parametrize("path", ["/nowhere", "/admin/user", "/dashboard/receipts/none", "/register"])
async def test_no_page_keeps_a_key_in_the_address_bar_not_even_one_of_an_error(
    page: WatchedPage, path: str
) -> None:
    await page.page.goto(f"{path}?key=sk-SECRET&page=2")
    await page.page.wait_for_function("!location.search.includes('key')")
    assert page.page.url.endswith(f"{path}?page=2")


async def test_of_a_key_in_a_search_the_address_bar_keeps_the_beginning(page: WatchedPage) -> None:
    await page.page.goto("/nowhere?sort=email&q=sk-ABCDEFGHSECRET")
    await page.page.wait_for_function("!location.search.includes('SECRET')")
    assert page.page.url.endswith("/nowhere?sort=email&q=sk-ABCDEFGH")


async def test_a_page_that_does_not_exist(page: WatchedPage) -> None:
    await page.page.goto("/nowhere")
    await page.look("not-found")
    page.assert_quiet("404")


async def test_registering_with_a_wrong_and_with_a_very_long_address(page: WatchedPage) -> None:
    await page.page.goto("/register")
    await page.page.get_by_label("Your email address").fill("ada@localhost")
    await page.page.keyboard.press("Enter")
    await page.look("register-refused")
    await page.page.get_by_label("Your email address").fill(LONG)
    await page.page.keyboard.press("Enter")
    await page.page.get_by_text("Check your mail").first.wait_for()
    await page.look("registered-long-address")
    page.assert_quiet("400")


async def test_a_key_that_does_not_work(page: WatchedPage) -> None:
    await page.page.goto("/dashboard?key=sk-wrong")
    await page.look("wrong-key")
    page.assert_quiet("401")


async def test_a_dashboard_in_full_use(scene: Scene, page: WatchedPage) -> None:
    key = await scene.new_key("ada.lovelace@example.com", trial=64_250, paid=24_310_400)
    account_id = key[3:11]
    for age in range(29, -1, -1):
        used = (age * 7919) % 13 * 9_400
        if used:
            day = (NOW - timedelta(days=age)).date()
            scene.neighbours.used(
                account_id, day, requests=used // 900, prompt=used, completion=used // 2 + age * 300
            )
    key_id = str(
        await scene.accounts.database.fetchval(
            "SELECT key_id FROM api_keys WHERE account_id = $1", account_id
        )
    )
    scene.neighbours.receipts = [
        receipt(account_id, key_id=key_id, request_id=UUID(int=number), tokens_prompt=40 + number * 321)
        for number in range(1, 8)
    ]
    scene.neighbours.purchases = [
        purchase(account_id, state="processing", is_credited=False, receipt_number=None, paid_at=None),
        purchase(account_id, pack="standard", tokens=25_000_000, amount_cents=200),
        purchase(account_id, state="disputed", is_frozen=True, method="btcpay"),
    ]
    scene.neighbours.methods = ("stripe", "btcpay")
    await page.page.goto(f"/dashboard?key={key}")
    await page.page.get_by_label("Name of a new key").fill("production")
    await page.page.get_by_role("button", name="Create a key").click()
    await page.page.get_by_role("heading", name="Your new key").wait_for()
    await page.look("new-key")
    await page.page.get_by_role("link", name="I have copied it").click()
    await page.page.get_by_text("Rotate").first.click()
    await page.look("dashboard")
    await page.page.goto("/dashboard/requests")
    await page.look("requests")
    await page.page.get_by_role("link", name="Receipt").first.click()
    await page.page.get_by_text("Signed, for your books").click()
    await page.look("request-receipt")
    page.assert_quiet()


async def test_a_dashboard_with_nothing_yet_and_a_long_address(scene: Scene, page: WatchedPage) -> None:
    key = await scene.new_key(LONG, trial=100_000)
    scene.neighbours.receipts, scene.neighbours.purchases, scene.neighbours.methods = [], [], ()
    await page.page.goto(f"/dashboard?key={key}")
    await page.look("dashboard-empty")
    page.assert_quiet()


async def test_a_dashboard_that_is_spent(scene: Scene, page: WatchedPage) -> None:
    key = await scene.new_key("spent@example.com", debt=2_500)
    scene.neighbours.methods = ("stripe",)
    await page.page.goto(f"/dashboard?key={key}")
    await page.look("dashboard-spent")
    page.assert_quiet()


async def test_a_dashboard_that_the_ledger_does_not_know(scene: Scene, page: WatchedPage) -> None:
    key = await scene.accounts.new_key("early@example.com")
    await page.page.goto(f"/dashboard?key={key}")
    await page.look("dashboard-not-known")
    page.assert_quiet()


async def test_the_operators_pages(scene: Scene, page: WatchedPage) -> None:
    key = await scene.new_key("grace.hopper@example.com", trial=99_940, paid=5_000_000)
    scene.neighbours.used(key[3:11], NOW.date(), requests=31, prompt=40_000, completion=21_000)
    scene.neighbours.purchases = [purchase(key[3:11])]
    scene.neighbours.reviews, scene.neighbours.mails = [review(key[3:11])], [refused_mail(key[3:11])]
    await page.page.goto("/admin")
    await page.look("admin-sign-in")
    await page.page.get_by_label("Admin key").fill(ADMIN_KEY)
    await page.page.keyboard.press("Enter")
    await page.page.get_by_role("heading", name="Users", exact=True).first.wait_for()
    await page.look("admin-users")
    await page.page.get_by_role("button", name="Open grace.hopper@example.com").click()
    await page.page.get_by_label("Tokens, with a minus to take away").fill("250000")
    await page.page.get_by_role("button", name="Adjust").click()
    await page.page.get_by_text("+250,000 tokens on the paid balance.").wait_for()
    await page.look("admin-user")
    for tab, name in (("Reviews", "reviews"), ("Failed mails", "mails"), ("Audit log", "audit")):
        await page.page.get_by_role("link", name=tab, exact=True).click()
        await page.look(f"admin-{name}")
    page.assert_quiet("403")


async def test_what_waits_for_the_operator_a_key_by_hand_and_a_deletion(
    scene: Scene, page: WatchedPage
) -> None:
    """The other buttons of the panel; those on a balance are in the operator's story."""
    key = await scene.new_key("charles.babbage@example.com")
    there = scene.neighbours
    there.reviews, there.mails, there.mail_door = [review(key[3:11])], [refused_mail(key[3:11])], "folder"
    await page.page.goto(f"/admin/reviews?key={ADMIN_KEY}")
    await page.page.get_by_role("button", name="Credit").click()
    await page.page.get_by_text("Decided: credit.").wait_for()
    await page.page.get_by_role("link", name="Failed mails", exact=True).click()
    await page.page.get_by_role("button", name="Send again").click()
    await page.page.get_by_text("The mail is sent again.").wait_for()
    assert (there.decided, there.resent) == ([("r-1", "credit")], ["m-1"])
    await page.page.get_by_role("link", name="Users", exact=True).click()
    await page.page.get_by_role("button", name="Open charles.babbage@example.com").click()
    await page.page.get_by_role("button", name="Show it here once").click()
    shown = await page.page.locator("#new-key").text_content()
    assert shown is not None
    assert (await scene.accounts.state_of(key), await scene.accounts.state_of(shown)) == ("revoked", "active")
    await page.look("admin-new-key")
    await page.page.get_by_role("link", name="Back to the user").click()
    await page.page.get_by_label("Delete charles.babbage@example.com").check()
    await page.page.get_by_role("button", name="Delete this user").click()
    await page.page.get_by_text("is deleted").wait_for()
    await page.look("admin-deleted")
    page.assert_quiet()


async def test_a_link_to_confirm_and_one_that_has_ended(page: WatchedPage) -> None:
    await page.page.goto("/register/confirm?token=long-gone")
    await page.look("confirm")
    await page.page.get_by_role("button", name="Send me a new key").click()
    await page.page.get_by_text("This link has ended").first.wait_for()
    await page.look("link-ended")
    page.assert_quiet("400")
