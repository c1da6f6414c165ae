"""A newcomer in a real browser: registers, reads the mail, sees what the first call cost."""

from pathlib import Path

from playwright.async_api import Browser, ConsoleMessage, Page

from tests.support.eventually import eventually
from tests.support.person import KEY_IN_MAIL, Person


async def test_from_the_landing_page_to_the_first_usage(
    browser: Browser, person: Person, artifacts: Path
) -> None:
    page = await browser.new_page()
    errors = watch_for_errors(page)

    await page.goto(person.base_url)
    await page.screenshot(path=artifacts / "landing.png", full_page=True)
    await page.get_by_label("Email").first.fill(person.address)
    await page.keyboard.press("Enter")
    await page.get_by_text(person.address).wait_for()
    await page.screenshot(path=artifacts / "registered.png", full_page=True)

    key = await eventually(lambda: mailed_key(person), within_seconds=10)
    person.keys.append(key)
    used = (await person.ask()).json()["usage"]["total_tokens"]

    left = f"{await person.available():,}"

    async def dashboard_shows_what_is_left() -> bool:
        await page.goto(f"{person.base_url}/dashboard?key={key}")
        return await page.get_by_text(left).count() > 0

    await eventually(dashboard_shows_what_is_left, within_seconds=5)
    assert await page.title() == "Dashboard"
    await page.wait_for_function("!location.search.includes('key')")
    await page.screenshot(path=artifacts / "dashboard.png", full_page=True)
    assert used > 0
    assert errors == []


def watch_for_errors(page: Page) -> list[str]:
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            errors.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


async def mailed_key(person: Person) -> str:
    keys = [key for text in person.mails() for key in KEY_IN_MAIL.findall(text)]
    return keys[0] if keys else ""
