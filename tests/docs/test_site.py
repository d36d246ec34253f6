"""The documentation as a site: every page has a place in it, it can be searched, and it has no faults in a browser.

The screenshots are in build/documents: look at them after a change of `zensical.toml`.
"""

import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.async_api import expect

from tests.docs.pages import PAGES
from tests.support.browser import AXE, CHROMIUM, WatchedPage, open_page
from tests.support.inbox_package import installed
from tests.support.paths import ROOT

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(600)]
_in_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
_SHOTS = ROOT / "build" / "documents"
_MAIN = (
    "index.html",
    "tutorial/first-type.html",
    "operations.html",
    "settings.html",
    "explanation/comparison.html",
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of the site, built without a warning."""
    folder = tmp_path_factory.mktemp("site") / "site"
    built = subprocess.run(
        [sys.executable, ROOT / ".ci" / "site.py", folder], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _places(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else (entry,):
            if isinstance(value, str):
                yield value
            else:
                yield from _places(value)


def test_every_page_has_one_place() -> None:
    """Each page of `docs` is in the navigation once."""
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    pages = {Path(name).relative_to("docs").as_posix() for name in PAGES if name.startswith("docs/")}

    places = list(_places(nav))
    assert len(places) == len(set(places))
    assert not set(places) ^ pages


@asynccontextmanager
async def _opened(site: str, width: int, scheme: Any) -> AsyncIterator[WatchedPage]:
    async with open_page(site, width, scheme) as opened:
        yield opened
        assert not opened.errors
        assert not opened.foreign


@_in_chromium
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_main_pages_have_no_faults(site: str, width: int, scheme: str) -> None:
    """axe finds none, nothing is wider than the window, and nothing comes from another host."""
    axe = (await installed()).joinpath("node_modules/axe-core/axe.min.js").read_text()
    _SHOTS.mkdir(parents=True, exist_ok=True)
    faults: dict[str, Any] = {}
    async with _opened(site, width, scheme) as opened:
        for name in _MAIN:
            await opened.page.goto(f"{site}/{name}")
            await opened.page.screenshot(path=_SHOTS / f"{name.replace('/', '-')}-{width}-{scheme}.png")
            wide = await opened.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            await opened.page.evaluate(axe)
            violations = (await opened.page.evaluate(AXE))["violations"]
            found = [
                f"{one['id']}: {node['html'][:120]}" for one in violations for node in one["nodes"][:2]
            ] + ([f"{wide} px too wide"] if wide > 0 else [])
            if found:
                faults[name] = found
    assert not faults, faults


@_in_chromium
async def test_search_finds_a_page(site: str) -> None:
    """A word of a page leads to it."""
    async with _opened(site, 1280, "light") as opened:
        await opened.page.goto(f"{site}/index.html")
        await opened.page.get_by_role("button", name="Search").first.click()
        await opened.page.keyboard.type("quiet hours digest")
        await expect(opened.page.get_by_role("option", name="Quiet hours").first).to_be_visible()
