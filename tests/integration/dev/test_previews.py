"""The preview server: every type, rendered again when a file is saved."""

import shutil
from pathlib import Path

import httpx

from service.dev.preview_server import PreviewServer
from service.settings import BrandSettings, Settings, TemplateSettings, templates_directory


def server(tmp_path: Path) -> tuple[PreviewServer, Path]:
    folder = tmp_path / "templates"
    shutil.copytree(templates_directory(), folder)
    return PreviewServer(Settings(templates=TemplateSettings(directory=folder))), folder


def client(previews: PreviewServer, host: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=previews.app())
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}:8026", follow_redirects=True)


async def test_a_type_is_shown_with_all_its_parts(tmp_path: Path) -> None:
    """The page has the list of types, inbox entry, text, headers and size; the HTML is in a frame without scripts."""
    previews, _ = server(tmp_path)
    async with client(previews) as browser:
        first = await browser.get("/")
        page = await browser.get("/preview/overbid", params={"locale": "de", "width": "360"})
        html = await browser.get("/preview/overbid/html", params={"locale": "de"})
        unknown = await browser.get("/preview/nothing")

    assert first.status_code == 200
    assert page.text.count("/preview/") >= 63
    for part in ("List-Unsubscribe", "In the inbox", "octets", "sandbox", "width: 360px"):
        assert part in page.text
    assert "sandbox" in html.headers["content-security-policy"]
    assert '<html lang="de"' in html.text
    assert unknown.status_code == 404


async def test_a_saved_file_changes_the_page_and_an_error_is_shown(tmp_path: Path) -> None:
    """The polled version and the page change with a file; a broken template is named until it is fixed."""
    previews, folder = server(tmp_path)
    path = folder / "overbid" / "en.j2"
    original = path.read_text()
    async with client(previews) as browser:
        before = (await browser.get("/version")).text
        assert (await browser.get("/version")).text == before
        path.write_text(original.replace("{% block text %}", "{% block text %}A NEW LINE. ", 1))
        assert (await browser.get("/version")).text != before
        assert "A NEW LINE." in (await browser.get("/preview/overbid")).text
        path.write_text(original.replace("{% block text %}", "{% block text %}{% if %}", 1))
        broken = await browser.get("/preview/overbid")
        assert "overbid/en.j2" in broken.text
        path.write_text(original)
        assert "A NEW LINE." not in (await browser.get("/preview/overbid")).text


async def test_a_brand_is_chosen_and_its_file_is_watched(tmp_path: Path) -> None:
    """The page offers the brands of the overrides; a fault of the file is shown until it is fixed."""
    file = tmp_path / "brands.toml"
    table = '[shop]\nsources = ["/shop/*"]\nname = "Example Shop"\n'
    file.write_text(table)
    previews = PreviewServer(Settings(brand=BrandSettings(overrides=file)))
    async with client(previews) as browser:
        page = await browser.get("/preview/overbid", params={"brand": "shop", "locale": "de"})
        html = await browser.get("/preview/overbid/html", params={"brand": "shop"})
        default = await browser.get("/preview/overbid/html")
        unknown = await browser.get("/preview/overbid", params={"brand": "nothing"})
        before = (await browser.get("/version")).text
        file.write_text(table + 'accent = "#ffd400"\n')
        broken = await browser.get("/preview/overbid")
        assert (await browser.get("/version")).text != before

    assert "?locale=de&amp;brand=shop" in page.text
    assert "Example Shop" in html.text
    assert "Example Shop" not in default.text
    assert unknown.status_code == 404
    assert "[shop]: accent: " in broken.text


async def test_only_loopback_host_names_are_served(tmp_path: Path) -> None:
    """A request for another host name is refused, which defeats DNS rebinding."""
    previews, _ = server(tmp_path)
    async with client(previews, "evil.example") as browser:
        assert (await browser.get("/preview/overbid")).status_code == 400
