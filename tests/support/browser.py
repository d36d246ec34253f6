"""Pages of the API in the machine's own Chromium, with everything that they complain of."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from playwright.async_api import Page, Route, async_playwright, expect

AXE = "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })"
"""Runs axe on a whole page that has it, for the rules of WCAG 2.2 AA."""
CHROMIUM = shutil.which("chromium")
expect.set_options(timeout=60_000)  # a condition is waited for, however busy the machine is


@dataclass
class WatchedPage:
    """A page, its errors on the console, and the requests that it sent to other hosts."""

    page: Page
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


@asynccontextmanager
async def open_page(
    ours: str, width: int = 1280, scheme: Literal["light", "dark"] = "light", within_ms: int = 60_000
) -> AsyncIterator[WatchedPage]:
    """Yield a page of this width and colour scheme; requests to hosts other than `ours` are recorded and refused."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = await context.new_page()
        page.set_default_timeout(within_ms)
        watched = WatchedPage(page)

        async def record(route: Route) -> None:
            if route.request.url.startswith((ours, "data:", "blob:")):
                await route.continue_()
            else:
                watched.foreign.append(route.request.url)
                await route.abort()

        def complain(kind: str, text: str) -> None:
            if kind in ("error", "warning"):
                watched.errors.append(text)

        await page.route("**/*", record)
        page.on("console", lambda message: complain(message.type, message.text))
        page.on("pageerror", lambda error: complain("error", str(error)))
        yield watched
        await browser.close()
