"""A page of a real browser under watch: what it complains of, whether everybody can use it, and how it looks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, ConsoleMessage, Page

SIZES = {"desk": (1280, 900), "phone": (390, 844)}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RULES: dict[str, dict[str, object]] = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}
"""A theme changes nothing but colours."""
SERIOUS = ("serious", "critical")


@dataclass
class WatchedPage:
    """`expected` are complaints that belong to a story, such as the 403 of a wrong key."""

    page: Page
    artifacts: Path
    complaints: list[str] = field(default_factory=list)

    async def look(self, name: str) -> None:
        """Pictures light and dark, on a phone and on a desk; no serious fault and no sideways scrolling in any."""
        for theme in THEMES:
            await self.page.emulate_media(color_scheme=theme)
            for size, (width, height) in SIZES.items():
                await self.page.set_viewport_size({"width": width, "height": height})
                await self.page.screenshot(
                    path=self.artifacts / f"{name}-{size}-{theme}.png", full_page=True, animations="disabled"
                )
                assert await self._width_needed() <= width, f"{name} is wider than a {size}"
            await self.everybody_can_use(f"{name}, {theme}", RULES[theme])

    async def everybody_can_use(self, name: str, rules: dict[str, object]) -> None:
        found = (await Axe().run(self.page, options=rules)).response["violations"]
        faults = [
            f"{each['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
            for each in found
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]
        assert faults == [], f"{name}: " + "\n".join(faults)

    def assert_quiet(self, *expected: str) -> None:
        unexpected = [each for each in self.complaints if not any(part in each for part in expected)]
        assert unexpected == []

    async def _width_needed(self) -> int:
        return int(await self.page.evaluate("document.documentElement.scrollWidth"))


async def watched(browser: Browser, artifacts: Path, base_url: str) -> WatchedPage:
    """A new browser context: no cookies, axe's own script allowed in, everything else as it is."""
    context = await browser.new_context(base_url=base_url, viewport={"width": 1280, "height": 900})
    await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=base_url)
    seen = WatchedPage(await context.new_page(), artifacts)

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            seen.complaints.append(message.text)

    seen.page.on("console", note)
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    return seen
