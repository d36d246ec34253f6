"""The reference pages at /docs and /docs/events, in a browser, without requests to other hosts."""

import gzip
import json
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import expect
from pydantic import SecretStr

from service.api.auth.dev_token import dev_token
from service.settings import AuthSettings, Settings
from tests.e2e.api.served import served
from tests.support.api_fixture import ApiFixture, inbox_item
from tests.support.browser import CHROMIUM, open_page
from tests.support.paths import ROOT

_FOLDER = ROOT / "service" / "api" / "reference"
_VENDORED = [_FOLDER / "vendored", ROOT / "service" / "console" / "vendored"]
_MANIFESTS: dict[Path, dict[str, dict[str, str]]] = {
    folder: json.loads((folder / "manifest.json").read_text()) for folder in _VENDORED
}
_FILES = ("/docs/scalar.js", "/docs/reference.js", "/docs/reference.css", "/docs/events", "/asyncapi.json")
_OWN_SECRET = "a-secret-of-this-test-and-of-no-other"
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


_OWN = [path for folder in _VENDORED for path in sorted((folder.parent / "static").iterdir())]


@pytest.mark.parametrize("path", _OWN, ids=lambda path: path.name)
def test_nothing_names_another_host(path: Any) -> None:
    """Our own files reference no other host, so the pages work without Internet access."""
    text = path.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.findall(r"https?://|//[a-z0-9-]+\.[a-z]|@import|url\(", text)


@pytest.mark.parametrize(
    ("folder", "name"), [(folder, name) for folder in _VENDORED for name in _MANIFESTS[folder]]
)
def test_a_vendored_file_is_that_of_its_package(folder: Path, name: str) -> None:
    """Its hash is that of the manifest, which names package, version, integrity, path and licence."""
    about = _MANIFESTS[folder][name]
    assert all(about[key] for key in ("package", "version", "integrity", "path", "license"))
    content = gzip.decompress((folder / f"{name}.gz").read_bytes())
    assert sha256(content).hexdigest() == about["sha256"]


@pytest.mark.parametrize("folder", _VENDORED)
def test_every_vendored_file_is_in_the_manifest(folder: Path) -> None:
    """And has its licence beside it."""
    files = {path.name for path in folder.iterdir() if not path.name.startswith("LICENSE.")}
    assert files == {"manifest.json", *(f"{name}.gz" for name in _MANIFESTS[folder])}
    packages = {
        about["package"].partition(".")[0].partition("/")[0].strip("@")
        for about in _MANIFESTS[folder].values()
    }
    assert {path.suffix.strip(".") for path in folder.glob("LICENSE.*")} == packages


@pytest.mark.parametrize("path", ["/docs", "/docs/events"])
async def test_the_policy_allows_only_this_host(api: ApiFixture, path: str) -> None:
    """No inline script, no other host; inline styles only where Scalar needs them; nothing may embed the page."""
    page = await api.client.get(path)
    assert page.status_code == 200
    directives = dict(
        part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";")
    )
    assert directives["default-src"] == "'none'"
    assert directives.get("script-src", "'self'") == "'self'"
    assert directives["frame-ancestors"] == directives["base-uri"] == directives["form-action"] == "'none'"
    assert directives["style-src"] == ("'self' 'unsafe-inline'" if path == "/docs" else "'self'")
    assert "http" not in page.headers["content-security-policy"]
    assert not re.findall(r"<script>|<style|\son[a-z]+=|\sstyle=", page.text)


@pytest.mark.parametrize("path", _FILES)
async def test_browsers_keep_files_and_ask_again(api: ApiFixture, path: str) -> None:
    """A file is compressed for those that accept it, and 304 for those that have it."""
    packed = await api.client.get(path, headers={"Accept-Encoding": "gzip"})
    plain = await api.client.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.content == plain.content  # httpx decompresses
    assert plain.headers.get("content-encoding") == ("gzip" if path == "/docs/scalar.js" else None)
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers.get_list("cache-control") == ["no-cache"]
    again = await api.client.get(path, headers={"If-None-Match": packed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_document_of_events_is_served(api: ApiFixture) -> None:
    """/asyncapi.json is docs/events/asyncapi.json."""
    committed = json.loads((ROOT / "docs" / "events" / "asyncapi.json").read_text())
    assert (await api.client.get("/asyncapi.json")).json() == committed


async def test_the_page_of_events_has_everything(api: ApiFixture) -> None:
    """Each topic, each of its records, each setting, and each field of a record's data."""
    page = (await api.client.get("/docs/events")).text
    document = json.loads((ROOT / "docs" / "events" / "asyncapi.json").read_text())
    for name, channel in document["channels"].items():
        assert f'<section id="{name.replace(".", "-")}">' in page
        for message in channel["messages"]:
            assert f'<details id="{name.replace(".", "-")}-{message}">' in page
    for schema in document["components"]["schemas"].values():
        for field in schema.get("properties", {}):
            assert f"<code>{field}</code>" in page
    assert not re.findall(r"\{'|&#x27;type|#/components", page)


@pytest.mark.parametrize(
    ("fields", "filled_in"),
    [
        ({}, True),
        ({"mode": "production"}, False),
        ({"auth": AuthSettings(secret=SecretStr(_OWN_SECRET))}, False),
    ],
)
async def test_a_token_is_filled_in_in_dev_mode_only(
    api: ApiFixture, fields: dict[str, Any], filled_in: bool
) -> None:
    """And only one that anyone can make: with the public secret of `tocsin dev`."""
    settings: Settings = api.deps.settings.model_copy(update=fields)
    api.app.state.deps = replace(api.deps, settings=settings)

    assert bool(dev_token(settings)) is filled_in
    assert ("data-dev-token" in (await api.client.get("/docs")).text) is filled_in


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
async def test_the_http_reference(api: ApiFixture, width: int, scheme: Literal["light", "dark"]) -> None:
    """It lists every operation, fills in a token and sends a request, at both widths and in both schemes."""
    await api.add(inbox_item("overbid", lot_id="1"))
    async with served(api) as client:
        base = str(client.base_url)
        document = (await client.get("/openapi.json")).json()
        async with open_page(base, width, scheme) as opened:
            page = opened.page
            await page.goto(f"{base}/docs")
            await expect(page.get_by_role("heading", name="Tocsin", level=1)).to_be_visible()
            await expect(page.locator(f"body.{scheme}-mode")).to_have_count(1)
            if width < 800:
                await page.get_by_role("button", name="Open Menu").click()
            for tag in document["tags"]:
                closed = page.get_by_role("button", name=f"Open Group - {tag['name']}")
                if await closed.count():
                    await closed.click()
            for path, item in document["paths"].items():
                for method, operation in item.items():
                    place = f"#tag/{operation['tags'][0]}/{method.upper()}{path}"
                    listed = page.locator(f'a[href="{place}"]', has_text=operation["summary"])
                    await expect(listed.last).to_be_attached()
            await page.locator('a[href="#tag/inbox/GET/counts"]', has_text="Count unread").last.click()
            await page.get_by_role("button", name="Test Request (get /counts)").click()
            async with page.expect_response("**/counts") as response:
                await page.get_by_role("button", name="Send get request").first.click()
            answer = await response.value
            assert answer.status == 200
            assert (await answer.json())["data"][0]["attributes"] == {"count": 1, "type_str": "overbid"}
            assert await _overflow(page) <= 0
        assert (opened.foreign, opened.errors) == ([], [])


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "dark")])
async def test_the_reference_of_events(api: ApiFixture, width: int, scheme: Literal["light", "dark"]) -> None:
    """It has no script; a record's fields and example open, and nothing is wider than the page."""
    async with served(api) as client:
        base = str(client.base_url)
        async with open_page(base, width, scheme) as opened:
            page = opened.page
            await page.goto(f"{base}/docs/events")
            await page.locator("summary", has_text="New high bidder").click()
            record = page.locator("#events-overbid")
            await expect(record.locator("pre")).to_contain_text('"lot_id": "1"')
            await expect(record.get_by_role("cell", name="the lot")).to_be_visible()
            await page.evaluate("document.querySelectorAll('details').forEach(box => { box.open = true })")
            assert await _overflow(page) <= 0
            await page.get_by_role("link", name="HTTP API").click()
            await expect(page.get_by_role("heading", name="Tocsin", level=1)).to_be_visible()
        assert (opened.foreign, opened.errors) == ([], [])


async def _overflow(page: Any) -> int:
    """Return by how many pixels the page is wider than its window."""
    wide: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return wide
