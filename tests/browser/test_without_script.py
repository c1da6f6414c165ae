"""Everything works in a browser that runs no script, and by keyboard alone."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.person import Person
from tests.support.stack import Stack


@pytest.fixture
async def plain(stack: Stack, browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(base_url=stack.base_url, java_script_enabled=False)
    yield await context.new_page()
    await context.close()


async def test_a_customer_signs_in_makes_a_key_and_signs_out_without_a_script(
    plain: Page, person: Person
) -> None:
    await person.register()
    await plain.goto("/")
    await plain.get_by_label("Your API key").fill(person.key)
    await plain.get_by_role("button", name="Open the dashboard").click()
    await expect(plain).to_have_title("Dashboard")
    assert "key=" not in plain.url
    await plain.get_by_label("Name of a new key").fill("plain")
    await plain.get_by_role("button", name="Create a key").click()
    assert (await plain.locator("#new-key").inner_text()).startswith("sk-")
    await expect(plain.locator("button.copy")).to_be_hidden()
    await plain.get_by_role("link", name="I have copied it").click()
    await plain.get_by_role("button", name="Sign out").click()
    await expect(plain.get_by_role("heading", name="Open the dashboard")).to_be_visible()


async def test_the_front_page_is_used_by_keyboard(stack: Stack, browser: Browser) -> None:
    context = await browser.new_context(base_url=stack.base_url)
    page = await context.new_page()
    await page.goto("/")
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to the content")).to_be_focused()
    await page.get_by_label("curl").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_text("from openai import OpenAI")).to_be_visible()
    await context.close()
