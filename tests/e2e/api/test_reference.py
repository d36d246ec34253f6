"""The API reference at /docs, in a browser, without requests to other hosts."""

import re
import shutil

import pytest
from playwright.async_api import Page, Route, async_playwright, expect

from tests.e2e.api.served import served
from tests.support.api_fixture import ApiFixture, fake_api
from tests.support.paths import ROOT

_STATIC = ROOT / "service" / "api" / "reference" / "static"
_CHROMIUM = shutil.which("chromium")


@pytest.fixture
async def api() -> ApiFixture:
    """Return the API on in-memory ports."""
    async with fake_api() as api:
        yield api


@pytest.mark.parametrize("name", ["reference.html", "reference.js", "reference.css"])
async def test_nothing_names_another_host(name: str) -> None:
    """The files reference no other host, so the page works without Internet access."""
    text = (_STATIC / name).read_text()
    assert not re.findall(r"https?://|//[a-z0-9-]+\.[a-z]|@import|url\(", text)


async def test_the_policy_allows_only_this_host(api: ApiFixture) -> None:
    """The content security policy allows no inline script or style and no other host."""
    page = await api.client.get("/docs")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"<script>|<style|\son[a-z]+=|\sstyle=", page.text)


@pytest.mark.skipif(_CHROMIUM is None, reason="needs chromium")
async def test_every_operation_can_be_sent(api: ApiFixture) -> None:
    """The page lists every operation, sends one and displays the response, without requests to other hosts."""
    async with served(api) as client, async_playwright() as playwright:
        document = (await client.get("/openapi.json")).json()
        operations = sum(
            len(item.keys() & {"get", "post", "put", "patch", "delete"})
            for item in document["paths"].values()
        )
        browser = await playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        foreign, errors = await _watched(page, str(client.base_url))

        await page.goto(f"{client.base_url}/docs")
        await page.wait_for_selector("details")
        assert await page.locator("details").count() == operations

        await page.fill("#find", "/livez")
        await page.locator("details:not([hidden]) summary").first.click()
        await page.locator("details[open] button").click()
        await page.locator("details[open] pre", has_text=re.compile(r"^200")).wait_for()
        for box in await page.locator("details").all():
            await box.evaluate("box => { box.hidden = false; box.open = true }")
        await expect(page.locator("details:not(:has(> div))")).to_have_count(0, timeout=30_000)
        await browser.close()
    assert (foreign, errors) == ([], [])


async def _watched(page: Page, ours: str) -> tuple[list[str], list[str]]:
    foreign: list[str] = []
    errors: list[str] = []

    async def record(route: Route) -> None:
        if not route.request.url.startswith((ours, "data:")):
            foreign.append(route.request.url)
        await route.continue_()

    await page.route("**/*", record)
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return foreign, errors
