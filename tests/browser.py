"""A real Chromium for tests of the console, which notices whatever a good page does not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""


def program() -> str:
    """The browser of this machine; without one the test skips, but fails under ``CI=true``."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = "no Chromium: install it (Debian's package chromium)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return found


@dataclass
class Console:
    """A page of the console, its address, and what it did wrong."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)

    async def sign_in(self, token: str, namespace: str = "default") -> None:
        await self.page.goto(self.url)
        await self.page.get_by_label("Token").fill(token)
        await self.page.get_by_label("Namespace").fill(namespace)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.get_by_role("heading", level=1, name="Functions")).to_be_visible()

    async def open(self, place: str) -> None:
        """Follows an address within the page, and waits until its content is there."""
        await self.page.goto(f"{self.url}#/{place}")
        await expect(self.page.locator("main:not([aria-busy])")).to_be_visible()

    async def follow(self, *links: str) -> None:
        for link in links:
            await self.page.get_by_role("link", name=link, exact=True).click()

    async def table(self, name: str) -> list[list[str]]:
        """A table's rows as they are read."""
        rows = self.page.get_by_role("region", name=name, exact=True).locator("tbody tr")
        return [await row.locator("th, td").all_inner_texts() for row in await rows.all()]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox"] if root else []
        browser = await playwright.chromium.launch(executable_path=program(), args=arguments)
        yield browser
        await browser.close()


@asynccontextmanager
async def console(browser: Browser, endpoint: str, **options: Any) -> AsyncIterator[Console]:
    """A tab of its own. At its end it has had no error, broken no policy and asked nobody else."""
    context = await browser.new_context(**options)
    context.set_default_timeout(15_000)
    page = await context.new_page()
    found = Console(page, f"{endpoint}/console/")
    await page.add_init_script(_VIOLATIONS)
    own = urlsplit(endpoint).netloc

    def asked(url: str) -> None:
        if urlsplit(url).netloc != own:
            found.wrong.append(f"asked {url}")

    page.on("request", lambda request: asked(request.url))
    page.on("pageerror", lambda error: found.wrong.append(f"error: {error}"))
    page.on("console", lambda m: found.wrong.append(f"{m.type}: {m.text}") if _is_bad(m.type, m.text) else None)
    yield found
    violations = await page.evaluate("window.violations")
    await context.close()
    assert not found.wrong
    assert not violations


def _is_bad(kind: str, text: str) -> bool:
    """Chromium logs each answer from 400; whether the page told of it is the tests' own affair."""
    return kind in ("error", "warning") and "the server responded with a status of" not in text
