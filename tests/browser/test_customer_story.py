"""A customer in a real browser, over the whole system: registers, reads the mail, calls, sees the usage, manages keys,
buys a pack on the stand-in of a provider and sees the credit."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.watched_page import WatchedPage, watched
from tests.support.eventually import eventually
from tests.support.person import KEY_IN_MAIL, Person
from tests.support.stack import Stack

UNAUTHORIZED = 401
STARTER = "5,000,000"


@pytest.fixture
async def visit(stack: Stack, browser: Browser, artifacts: Path) -> AsyncIterator[WatchedPage]:
    seen = await watched(browser, artifacts, stack.base_url)
    yield seen
    await seen.page.context.close()


async def test_from_the_landing_page_to_a_pack_that_is_paid(visit: WatchedPage, person: Person) -> None:
    await registers(visit, person)
    await opens_the_dashboard(visit, person)
    await sees_what_a_call_cost(visit, person)
    await makes_and_ends_a_key(visit, person)
    await buys_the_starter_pack(visit, person)
    visit.assert_quiet()


async def registers(visit: WatchedPage, person: Person) -> None:
    await visit.page.goto("/")
    await visit.page.get_by_label("Your email address").fill(person.address)
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.get_by_role("heading", name="Check your mail")).to_be_visible()
    await expect(visit.page.get_by_text(person.address)).to_be_visible()
    person.keys.append(await eventually(lambda: mailed_key(person), within_seconds=15))


async def opens_the_dashboard(visit: WatchedPage, person: Person) -> None:
    """By the box on the front page; and by a bookmark, whose key leaves the address bar."""
    await visit.page.goto("/")
    await visit.page.get_by_label("Your API key").fill(person.key)
    await visit.page.get_by_role("button", name="Open the dashboard").click()
    await expect(visit.page).to_have_title("Dashboard")
    await visit.page.goto(f"/dashboard?key={person.key}")
    await visit.page.wait_for_function("!location.search.includes('key')")
    assert person.key not in await visit.page.content()


async def sees_what_a_call_cost(visit: WatchedPage, person: Person) -> None:
    used = (await person.ask()).json()["usage"]["total_tokens"]

    async def dashboard_shows_it() -> bool:
        await visit.page.goto("/dashboard")
        return await visit.page.get_by_text(f"{used:,} tokens in 1 request", exact=False).count() > 0

    await eventually(dashboard_shows_it, within_seconds=15)
    await expect(visit.page.get_by_role("heading", name="Recent requests")).to_be_visible()
    await visit.page.get_by_role("link", name="Receipt").first.click()
    await expect(visit.page.get_by_text(f"{used:,} tokens", exact=True)).to_be_visible()


async def makes_and_ends_a_key(visit: WatchedPage, person: Person) -> None:
    await visit.page.goto("/dashboard")
    await visit.page.get_by_label("Name of a new key").fill("laptop")
    await visit.page.get_by_role("button", name="Create a key").click()
    key = await visit.page.locator("#new-key").inner_text()
    async with person.client(key) as client:
        assert (await client.get("/v1/balance")).status_code == 200
        await visit.page.get_by_role("link", name="I have copied it").click()
        await visit.page.locator("summary", has_text="Revoke laptop").click()
        await visit.page.get_by_role("button", name="Revoke it now").locator("visible=true").click()
        await expect(visit.page.get_by_role("heading", name="laptop")).to_have_count(0)
        assert (await client.get("/v1/balance")).status_code == UNAUTHORIZED


async def buys_the_starter_pack(visit: WatchedPage, person: Person) -> None:
    await visit.page.goto("/dashboard")
    await visit.page.get_by_role("link", name="Pay by card for the starter pack").click()
    await expect(visit.page.get_by_text(person.address)).to_be_visible()
    await visit.look("checkout")
    await visit.page.locator("main button[name=method]").first.click()
    await visit.page.get_by_role("button", name="Pay", exact=True).click()

    async def dashboard_shows_the_credit() -> bool:
        await visit.page.goto("/dashboard")
        return await visit.page.locator(".figures").get_by_text(STARTER, exact=True).count() > 0

    await eventually(dashboard_shows_the_credit, within_seconds=20)
    await expect(visit.page.get_by_role("heading", name="Payment received")).to_be_visible()
    await expect(visit.page.get_by_role("cell", name="credited")).to_be_visible()
    await visit.look("dashboard-paid")


async def mailed_key(person: Person) -> str:
    keys = [key for text in person.mails() for key in KEY_IN_MAIL.findall(text)]
    return keys[0] if keys else ""
