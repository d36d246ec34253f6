"""Every page of the running stack in Chromium: light and dark, wide and narrow, without faults of axe or of our own.

The screenshots are in build/pages: look at them after a change of a page.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from service.adapters.templates.sample import sample_delivery
from service.bootstrap.parts import Parts
from service.dev.ports import free_port
from service.dev.sample_run import follow, publish_samples
from service.dev.stack import DevStack
from tests.support.api_fixture import token
from tests.support.browser import AXE, CHROMIUM, open_page
from tests.support.dev_stack import stack_in
from tests.support.doc_page import Page as DocumentPage
from tests.support.environment import inherited_environment
from tests.support.gallery import PAGE_FAULTS
from tests.support.inbox_package import FOLDER, installed
from tests.support.paths import ROOT

_SHOTS = ROOT / "build" / "pages"
_VIEWS: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    (1280, "light"), (1280, "dark"), (360, "light"), (360, "dark"),
)  # fmt: skip

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]
_LARGE = ("reference", "events")
"""Pages of which one view is enough here: their own tests see them in all."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[DevStack, Parts]]:
    """Yield the stack of `tocsin dev` on ports of its own, with the sample events delivered."""
    stack = stack_in(tmp_path_factory.mktemp("stack"))
    try:
        parts = await stack.start()
        results = await follow(parts, await publish_samples(parts), 120)
        assert all(result.finished for result in results)
        yield stack, parts
    finally:
        await stack.stop()


async def addresses(stack: DevStack, parts: Parts) -> dict[str, str]:
    """Return the address of every page by its name."""
    assert stack.catcher is not None
    assert parts.unsubscribe_tokens is not None
    base, mail = stack.http_url, stack.catcher.url
    delivery = sample_delivery(parts.catalogue["overbid"], "en").replace(received_ms=parts.clock.now_ms())
    async with httpx.AsyncClient() as web:
        start = (await web.get(f"{base}/")).text
        message = (await web.get(f"{mail}/api/v1/messages")).json()["messages"][0]["ID"]
    return {
        "start": f"{base}/",
        "explain": base + re.findall(r'href="(/start/explain/[0-9a-f]+)"', start)[0],
        "preferences": f"{base}/start/preferences",
        "preferences-invalid": f"{base}/preferences/x",
        "unsubscribe": f"{base}/unsubscribe/{parts.unsubscribe_tokens.token(delivery)}",
        "reference": f"{base}/docs",
        "events": f"{base}/docs/events",
        "mail-list": f"{mail}/",
        "mail": f"{mail}/mail/{message}",
        "preview": f"{mail}/preview/overbid",
    }


async def settled(page: Page, name: str) -> None:
    """Wait until a page shows what it loads."""
    if name == "start":
        await expect(page.locator("tocsin-inbox [role=listitem], tocsin-inbox .entry").first).to_be_visible()
    elif name == "reference":
        await expect(page.get_by_role("heading", name="Tocsin", level=1)).to_be_visible()


async def choose_times(page: Page) -> None:
    """Choose a frequency, quiet hours and a zone on the page of preferences."""
    bids = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="New high bidder"))
    await bids.get_by_text("Emails: at once").click()
    await bids.get_by_role("button", name="once a day").click()
    await expect(bids.get_by_text("Emails: once a day")).to_be_visible()

    first, second = (page.get_by_role("group", name=f"Quiet hours {number}") for number in (1, 2))
    await first.get_by_label("From").fill("22:00")
    await first.get_by_label("Until").fill("07:00")
    await first.get_by_label("Sun").uncheck()
    await page.get_by_role("button", name="Save").first.click()
    await expect(second.get_by_label("From")).to_have_value("")
    await expect(first.get_by_label("From")).to_have_value("22:00")
    await expect(first.get_by_label("Sun")).not_to_be_checked()
    await page.get_by_role("button", name="Use the default").click()
    await expect(first.get_by_label("From")).to_have_value("")

    await page.get_by_label("Time zone").select_option("Pacific/Apia")
    await page.get_by_role("button", name="Save").last.click()
    await expect(page.get_by_label("Time zone")).to_have_value("Pacific/Apia")


async def test_every_page(running: tuple[DevStack, Parts]) -> None:
    """Text has contrast, nothing is cut or wider than the page, controls have names, and no script fails."""
    axe = (await installed()).joinpath("node_modules/axe-core/axe.min.js").read_text()
    _SHOTS.mkdir(parents=True, exist_ok=True)
    faults: dict[str, list[Any]] = {}
    pages = await addresses(*running)
    for width, scheme in _VIEWS:
        async with open_page("http://127.0.0.1:", width, scheme) as opened:
            for name, address in pages.items():
                if name in _LARGE and (width, scheme) != _VIEWS[0]:
                    continue
                await opened.page.goto(address)
                await settled(opened.page, name)
                shot = _SHOTS / f"{name}-{width}-{scheme}.png"
                await opened.page.screenshot(path=shot, full_page=name not in _LARGE)
                found = await page_faults(opened.page, axe, vendored=name == "reference")
                expected = "404" if name == "preferences-invalid" else "none"
                errors = [text for text in opened.errors if expected not in text]
                if found or errors or opened.foreign:
                    faults[f"{name} {width} {scheme}"] = [*found, *errors, *opened.foreign]
                opened.errors.clear()
    assert not faults, "\n".join(f"{view}: {fault}" for view, found in faults.items() for fault in found)


async def page_faults(page: Page, axe: str, *, vendored: bool) -> list[Any]:
    """Return what our own check and axe find. What others draw is theirs, but for what makes a page unusable."""
    await page.evaluate(axe)
    report = await page.evaluate(AXE)
    violations = [
        (one["id"], [f"{node['target']}: {node['failureSummary']}" for node in one["nodes"][:3]])
        for one in report["violations"]
        if not vendored or one["impact"] == "critical"
    ]
    return violations if vendored else [*await page.evaluate(PAGE_FAULTS), *violations]


class _ExamplePage(BaseHTTPRequestHandler):
    """The page of ten lines from the README of the package, with the addresses of a stack in it."""

    api = ""

    def do_GET(self) -> None:
        text = (FOLDER / "example" / "index.html").read_text().replace("http://127.0.0.1:8000", self.api)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing: requests are no news."""


@asynccontextmanager
async def app_of_the_documents(api: str, folder: Path) -> AsyncIterator[str]:
    """Yield the address of the app that docs/how-to/show-the-inbox.md makes, with the programs that it shows."""
    port = free_port()
    for block in DocumentPage.read(ROOT / "docs" / "how-to" / "show-the-inbox.md").blocks():
        if block.title:
            text = block.text.replace("http://127.0.0.1:8000", api).replace("9000", str(port))
            (folder / block.title).write_text(text)
    app = await asyncio.create_subprocess_exec(
        sys.executable,
        "app.py",
        cwd=folder,
        env=inherited_environment() | {"TOCSIN_KEY": token("shop", "tokens")},
        stdout=asyncio.subprocess.PIPE,
    )
    assert app.stdout is not None
    try:
        assert b"The app is at" in await app.stdout.readline()
        yield f"http://127.0.0.1:{port}/"
    finally:
        app.terminate()
        await app.communicate()


@asynccontextmanager
async def example_served(api: str) -> AsyncIterator[str]:
    """Yield the address of the example page, on a port of its own."""
    handler = type("Handler", (_ExamplePage,), {"api": api})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_person_sees_what_happens(running: tuple[DevStack, Parts]) -> None:
    """An event published on the start page counts in its bell and in a static page of another origin at once.

    What is marked as read in one is read in the other. A preference that is turned off holds for the next event.
    """
    stack, _ = running
    async with (
        example_served(stack.http_url) as example,
        open_page("http://127.0.0.1:") as here,
        open_page("http://127.0.0.1:") as there,
    ):
        await here.page.goto(f"{stack.http_url}/")
        await there.page.goto(example)
        bell = there.page.locator("tocsin-inbox").get_by_role("button", name="1 unread")
        await expect(bell).to_be_visible()

        await here.page.get_by_role("button", name="Publish").click()
        await expect(
            there.page.locator("tocsin-inbox").get_by_role("button", name="2 unread")
        ).to_be_visible()
        await expect(
            here.page.locator("header tocsin-inbox").get_by_role("button", name="2 unread")
        ).to_be_visible()

        await there.page.locator("tocsin-inbox").get_by_role("button", name="2 unread").click()
        await there.page.locator("tocsin-inbox [part=mark-all]").click()
        await expect(here.page.locator("header tocsin-inbox [part=badge]")).to_be_hidden()

        await here.page.goto(f"{stack.http_url}/start/preferences")
        switch = here.page.get_by_role("switch", name="Inbox New high bidder")
        await switch.click()
        await expect(switch).to_have_attribute("aria-checked", "false")
        await choose_times(here.page)
        await here.page.goto(f"{stack.http_url}/")
        await here.page.get_by_role("button", name="Publish").click()
        await expect(here.page.get_by_text("alice · inbox · skipped")).to_be_visible()
        assert (here.errors, here.foreign, there.errors, there.foreign) == ([], [], [], [])


async def test_the_app_of_the_documents(running: tuple[DevStack, Parts], tmp_path: Path) -> None:
    """It shows the inbox of the person who has signed in, with a token of its own server, and counts what comes."""
    stack, parts = running
    async with (
        app_of_the_documents(stack.http_url, tmp_path) as app,
        open_page("http://127.0.0.1:") as opened,
    ):
        await opened.page.goto(app)
        inbox = opened.page.locator("tocsin-inbox")
        await expect(inbox.get_by_role("button", name="unread")).to_be_visible()
        await follow(parts, await publish_samples(parts), 120)
        await inbox.get_by_role("button", name="unread").click()
        await expect(inbox.get_by_text("Message from the seller of lot 1.").first).to_be_visible()
        assert (opened.errors, opened.foreign) == ([], [])
