"""The operator in a real browser, over the whole system: every action on one user, and what it does to the API."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.watched_page import WatchedPage, watched
from tests.support.broker_disk import files_on_disk
from tests.support.eventually import eventually
from tests.support.person import Person
from tests.support.search_everywhere import places_of
from tests.support.stack import Stack

OK, UNAUTHORIZED = 200, 401
FORGOTTEN_WITHIN_SECONDS = 60


@pytest.fixture
async def panel(stack: Stack, browser: Browser, artifacts: Path) -> AsyncIterator[WatchedPage]:
    seen = await watched(browser, artifacts, stack.base_url)
    await seen.page.goto(f"/admin?key={stack.admin_key}")
    yield seen
    await seen.page.context.close()


async def test_everything_that_an_operator_does_to_a_user(
    panel: WatchedPage, person: Person, stack: Stack
) -> None:
    await person.register()
    await person.ask(max_tokens=1)
    await finds(panel, person)
    await gives_and_takes_tokens(panel, person)
    await blocks_and_unblocks(panel, person)
    await mails_a_new_key(panel, person)
    assert await places_of_address(person, stack)
    assert files_on_disk(person.key[3:11], stack.backing.amqp)
    assert not files_on_disk(person.address, stack.backing.amqp)
    await deletes(panel, person)
    await is_forgotten_everywhere(person, stack)
    await expect_every_action_in_the_log(panel)
    panel.assert_quiet()


async def finds(panel: WatchedPage, person: Person) -> None:
    await panel.page.wait_for_function("!location.search.includes('key')")
    await panel.page.get_by_label("Search by address or key").fill(person.address)
    await panel.page.keyboard.press("Enter")
    await panel.page.get_by_role("button", name=f"Open {person.address}").click()
    await expect(panel.page.get_by_role("heading", name=person.address)).to_be_visible()


async def gives_and_takes_tokens(panel: WatchedPage, person: Person) -> None:
    before = await person.available()
    for delta, said in (("5000", "+5,000"), ("-2000", "-2,000")):
        await panel.page.get_by_label("Tokens, with a minus to take away").fill(delta)
        await panel.page.get_by_role("button", name="Adjust").click()
        await expect(panel.page.get_by_text(f"{said} tokens on the paid balance.")).to_be_visible()
    await panel.page.get_by_label("Tokens", exact=True).fill("700")
    await panel.page.get_by_role("button", name="Grant").click()
    await expect(panel.page.get_by_text("700 tokens for 7 days.")).to_be_visible()

    async def reached_redis() -> bool:
        return await person.available() == before + 5000 - 2000 + 700

    await eventually(reached_redis, within_seconds=10)


async def blocks_and_unblocks(panel: WatchedPage, person: Person) -> None:
    await panel.page.get_by_role("button", name="Block", exact=True).click()
    await expect(panel.page.get_by_text("Blocked: all keys are refused.")).to_be_visible()
    assert await status_of(person) == UNAUTHORIZED
    await panel.page.get_by_role("button", name="Unblock", exact=True).click()
    await expect(panel.page.get_by_text("Unblocked: the keys work again.")).to_be_visible()
    assert await status_of(person) == OK


async def mails_a_new_key(panel: WatchedPage, person: Person) -> None:
    old = person.key
    await panel.page.get_by_role("button", name="Mail it").click()
    await expect(panel.page.get_by_text("A new key is on its way by mail.")).to_be_visible()
    await eventually(person.new_key_has_arrived, within_seconds=15)
    assert (await status_of(person, old), await status_of(person)) == (UNAUTHORIZED, OK)


async def deletes(panel: WatchedPage, person: Person) -> None:
    await panel.page.get_by_label(f"Delete {person.address}").check()
    await panel.page.get_by_role("button", name="Delete this user").click()
    await expect(panel.page.get_by_text("is deleted")).to_be_visible()
    assert await status_of(person) == UNAUTHORIZED


async def is_forgotten_everywhere(person: Person, stack: Stack) -> None:
    async def no_place_is_left() -> bool:
        return await places_of_address(person, stack) == []

    await eventually(no_place_is_left, within_seconds=FORGOTTEN_WITHIN_SECONDS)


async def places_of_address(person: Person, stack: Stack) -> list[str]:
    return await places_of(
        person.address,
        postgres_url=stack.backing.postgres,
        redis_url=stack.backing.redis,
        amqp_url=stack.backing.amqp,
        logs=stack.log("accounts").parent,
    )


async def expect_every_action_in_the_log(panel: WatchedPage) -> None:
    await panel.page.get_by_role("link", name="Audit log").click()
    for action in ("delete", "mail_key", "unblock", "block", "grant", "adjust"):
        await expect(panel.page.get_by_role("cell", name=action, exact=True).first).to_be_visible()


async def status_of(person: Person, key: str | None = None) -> int:
    async with person.client(key) as client:
        return (await client.get("/v1/balance")).status_code
