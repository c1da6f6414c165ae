"""A page of an allowed origin calls /v1 with a key from a real browser; a page of another origin cannot."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.support.person import CAPITAL_OF_FRANCE, Person

ASK = """async ([base, key, path, body]) => {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "x-stainless-lang": "js" };
  const options = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
  try {
    const reply = await fetch(base + path, options);
    const seen = (name) => reply.headers.get(name);
    return { status: reply.status, text: await reply.text(), id: seen("x-request-id"),
             remaining: seen("x-ratelimit-remaining-requests"), retryAfter: seen("retry-after") };
  } catch (error) {
    return { blocked: String(error) };
  }
}"""
QUESTION = {"messages": CAPITAL_OF_FRANCE, "max_tokens": 8}


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page()
    yield page
    await page.close()


async def ask(page: Page, person: Person, path: str, body: Any = None, key: str | None = None) -> Any:
    return await page.evaluate(ASK, [person.base_url, key or person.key, path, body])


async def test_a_page_asks_and_reads_answers_errors_and_headers(
    page: Page, person: Person, allowed_origin: str
) -> None:
    await person.register()
    await person.ask(max_tokens=1)
    await page.goto(f"{allowed_origin}/")
    for body in (QUESTION, QUESTION | {"stream": True}):
        answer = await ask(page, person, "/v1/chat/completions", body)
        assert (answer["status"], len(answer["id"])) == (200, 36)
        assert int(answer["remaining"]) > 0
    refused = await ask(page, person, "/v1/chat/completions", {"messages": []})
    assert (refused["status"], '"param": "messages"' in refused["text"]) == (400, True)
    assert (await ask(page, person, "/v1/balance", key="sk-wrong"))["status"] == 401
    too_large = await ask(page, person, "/v1/chat/completions", {"messages": "x" * (11 << 20)})
    assert (too_large["status"], "larger" in too_large["text"]) == (413, True)


async def test_a_page_of_another_origin_is_kept_out_by_the_browser(
    page: Page, person: Person, allowed_origin: str
) -> None:
    await person.register()
    await page.goto(allowed_origin.replace("127.0.0.1", "localhost"))
    assert "blocked" in await ask(page, person, "/v1/balance")
