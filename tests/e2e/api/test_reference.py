"""/docs shows the API, in a browser, without anything from another host."""

import re
import shutil

import pytest
from playwright.async_api import Page, Route, async_playwright, expect

from tests.e2e.api.served import served
from tests.support.api_fixture import World, fake_world
from tests.support.paths import ROOT

_STATIC = ROOT / "service" / "api" / "static"
_CHROMIUM = shutil.which("chromium")


@pytest.fixture
async def world() -> World:
    """The API over memory."""
    async with fake_world() as found:
        yield found


@pytest.mark.parametrize("name", ["reference.html", "reference.js", "reference.css"])
async def test_nothing_names_another_host(name: str) -> None:
    """A machine without the Internet shows the page whole."""
    text = (_STATIC / name).read_text()
    assert not re.findall(r"https?://|//[a-z0-9-]+\.[a-z]|@import|url\(", text)


async def test_the_policy_allows_only_ourselves(world: World) -> None:
    """No inline script, no style and no request from elsewhere; a browser refuses what would slip in."""
    page = await world.client.get("/docs")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"<script>|<style|\son[a-z]+=|\sstyle=", page.text)


@pytest.mark.skipif(_CHROMIUM is None, reason="needs chromium")
async def test_every_operation_is_shown_and_can_be_tried(world: World) -> None:
    """The page lists what the document has, opens one, and shows what the server answers; no foreign request."""
    async with served(world) as client, async_playwright() as playwright:
        document = (await client.get("/openapi.json")).json()
        wanted = sum(
            len(item.keys() & {"get", "post", "put", "patch", "delete"})
            for item in document["paths"].values()
        )
        browser = await playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        foreign, complaints = await _watched(page, str(client.base_url))

        await page.goto(f"{client.base_url}/docs")
        await page.wait_for_selector("details")
        assert await page.locator("details").count() == wanted

        await page.fill("#find", "/livez")
        await page.locator("details:not([hidden]) summary").first.click()
        await page.locator("details[open] button").click()
        await page.locator("details[open] pre", has_text=re.compile(r"^200")).wait_for()
        for box in await page.locator("details").all():
            await box.evaluate("box => { box.hidden = false; box.open = true }")
        await expect(page.locator("details:not(:has(> div))")).to_have_count(0, timeout=30_000)
        await browser.close()
    assert (foreign, complaints) == ([], [])


async def _watched(page: Page, ours: str) -> tuple[list[str], list[str]]:
    foreign: list[str] = []
    complaints: list[str] = []

    async def look(route: Route) -> None:
        if not route.request.url.startswith((ours, "data:")):
            foreign.append(route.request.url)
        await route.continue_()

    await page.route("**/*", look)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return foreign, complaints
