"""A real Chromium, headless; what it shows is kept as pictures in test-artifacts/."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        raise RuntimeError("No Chromium here: install it (Debian: apt-get install chromium) and run again.")
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", *QUIET]
        started = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        await started.close()


@pytest.fixture(scope="session")
def artifacts() -> Path:
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS
