"""Take a screenshot of every sample message (`make gallery`), check each for faults of layout, and fail on any.

Writes `build/gallery/index.html` with a contact sheet for each language, width and colour scheme: all messages in the
default look, some in the look of a brand with all its fields, and the pages of ours.
"""

import shutil
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from service.adapters.brand_file import load_brands
from service.adapters.catalogue_file import load_catalogue
from service.adapters.templates import TemplateRenderer, digest_samples, render_preview
from service.adapters.templates.preview import render_sample
from service.api.routes.unsubscribe_page import UnsubscribePage
from service.api.routes.unsubscribe_page import page as unsubscribe_page
from service.dev.catcher import CaughtMail, MailStore
from service.dev.catcher import pages as catcher_pages
from service.dev.preview_pages import PreviewChoice, preview_page
from service.model.catalogue import Catalogue, DigestRule
from service.pages.brand import Brands, BrandTable
from service.settings import Settings, templates_directory
from tests.support.paths import ROOT

LOCALES = ("en", "de")
WIDTHS = (360, 1280)
SCHEMES = ("light", "dark")
FOLDER = ROOT / "build" / "gallery"
LOGO = "https://brand.test/logo.svg"
BRAND = {
    "sources": ["/shop"],
    "name": "Example Shop",
    "accent": "#0f766e",
    "logo_url": LOGO,
    "logo_width": 180,
    "logo_height": 36,
    "postal_address": "Example Shop Ltd\n1 High Street\nExampleton EX1 2AB",
    "support_url": "mailto:help@shop.example",
    "footer": {
        "": "Registered in Exampleton, number 12345.",
        "de": "Eingetragen in Exampleton, Nummer 12345.",
    },
}
BRANDED = ("overbid", "reset_password", "callback_requested", "payment_failed")
DIGEST_GROUP = "auctions"
_LOGO_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="180" height="36"><circle cx="18" cy="18" r="14" fill="#0f766e"/>'
    '<text x="42" y="24" font-family="sans-serif" font-size="16" font-weight="700" fill="#12312e">'
    "Example Shop</text></svg>"
)

# Runs in the page and returns what a reader could not see. A message's own preheader is hidden on purpose.
PAGE_FAULTS = """() => {
  const faults = [], root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push(`${root.scrollWidth - root.clientWidth} px too wide`);
  const channel = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 };
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return [...n.slice(0, 3), n[3] ?? 1] };
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const behind = e => {
    for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > 0.5) return c }
    return matchMedia('(prefers-color-scheme: dark)').matches && getComputedStyle(root).colorScheme.includes('dark')
      ? [18, 18, 18, 1] : [255, 255, 255, 1];
  };
  const hidden = e => {
    for (; e; e = e.parentElement) {
      const s = getComputedStyle(e);
      if (s.display === 'none' || s.visibility === 'hidden' || s.opacity === '0') return true;
      if (parseFloat(s.maxHeight) === 0) return true;
    }
    return false;
  };
  const scrolls = e => {
    for (; e; e = e.parentElement) if (/auto|scroll/.test(getComputedStyle(e).overflowX)) return true;
    return false;
  };
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, text = node.textContent.trim(), parent = node.parentElement;
    if (!text || hidden(parent) || /^(option|textarea)$/.test(parent.localName)) continue;
    const range = document.createRange(); range.selectNodeContents(node);
    const box = range.getBoundingClientRect(), style = getComputedStyle(parent);
    const what = JSON.stringify(text.slice(0, 30));
    if (box.width < 1 || box.height < 1) { faults.push(`${what} has no size`); continue }
    if ((box.right > innerWidth + 1 || box.left < -1) && !scrolls(parent)) faults.push(`${what} runs out of the page`);
    if (parseFloat(style.fontSize) < 11) faults.push(`${what} is ${style.fontSize} small`);
    const a = light(parse(style.color)), b = light(behind(parent));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faults.push(`${what} has contrast ${ratio.toFixed(1)}`);
    seen += text.length;
  }
  if (seen < 40) faults.push(`only ${seen} characters can be seen`);
  for (const image of document.images)
    if (image.complete && !image.naturalWidth && !image.src.startsWith('http')) faults.push('a picture is missing');
  return [...new Set(faults)];
}"""


@dataclass(frozen=True, slots=True)
class View:
    """A language, a width and a colour scheme in which all messages are shown."""

    locale: str
    width: int
    scheme: str

    @property
    def name(self) -> str:
        return f"{self.locale}-{self.width}-{self.scheme}"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield the machine's own Chromium; raise RuntimeError if there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        raise RuntimeError("Chromium is needed: install it (Debian: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def open_page(browser: Browser, view: View) -> Iterator[Page]:
    """Yield a page of this width and scheme that cannot reach any network."""
    scheme: Any = view.scheme
    context = browser.new_context(
        viewport={"width": view.width, "height": 900}, color_scheme=scheme, java_script_enabled=True
    )
    context.route("**/*", lambda route: route.abort())
    context.route(LOGO, lambda route: route.fulfill(body=_LOGO_SVG, content_type="image/svg+xml"))
    yield context.new_page()
    context.close()


def find_faults(page: Page, html: str) -> list[str]:
    """Show a message and return its faults."""
    page.set_content(html, wait_until="domcontentloaded")
    faults: list[str] = page.evaluate(PAGE_FAULTS)
    return faults


def take_screenshots(
    browser: Browser, view: View, samples: dict[str, str], folder: Path
) -> dict[str, list[str]]:
    """Write a screenshot of each message and one of all; return the faults of those that have any."""
    directory = folder / view.name
    directory.mkdir(parents=True, exist_ok=True)
    broken: dict[str, list[str]] = {}
    with open_page(browser, view) as page:
        for name, html in samples.items():
            if faults := find_faults(page, html):
                broken[name] = faults
            page.screenshot(path=directory / f"{name}.jpeg", type="jpeg", quality=70, full_page=True)
    sheet = _sheet(view, list(samples), broken)
    (folder / f"{view.name}.html").write_text(sheet, encoding="utf-8")
    with browser.new_context(viewport={"width": 1600, "height": 900}) as context:
        overview = context.new_page()
        overview.goto((folder / f"{view.name}.html").as_uri())
        overview.screenshot(path=folder / f"{view.name}.png", full_page=True)
    return broken


def render_samples(catalogue: Catalogue, settings: Settings, locale: str) -> dict[str, str]:
    """Return the HTML of each type's sample message by the type's name, and of some in the look of BRAND."""
    brands = Brands(load_brands(settings.mail).default, {"shop": BrandTable.model_validate(BRAND)})
    catalogue = _with_digests(catalogue)
    renderer = TemplateRenderer(settings.mail, settings.templates, catalogue, brands=brands)
    looks = [(type_.name, "") for type_ in catalogue] + [(name, "shop") for name in BRANDED]
    looks += [(name, "") for name in digest_samples(catalogue)] + [(f"digest:{DIGEST_GROUP}", "shop")]
    samples = {
        " ".join(filter(None, (name, brand))): render_preview(
            renderer, settings.mail, name, locale, brand
        ).html
        for name, brand in looks
    }
    return samples | render_pages(catalogue, brands, renderer, settings, locale)


def _with_digests(catalogue: Catalogue) -> Catalogue:
    """Return the catalogue with a group of three types whose mail is sent in digests."""
    types = {type_.name: type_ for type_ in catalogue}
    for name in ("overbid", "auction_finished", "message_from_buyer"):
        rule = DigestRule(group=DIGEST_GROUP, key="{lot_id}", most=6)
        types[name] = types[name].model_copy(update={"digest": rule})
    return Catalogue(types)


def render_pages(
    catalogue: Catalogue, brands: Brands, renderer: TemplateRenderer, settings: Settings, locale: str
) -> dict[str, str]:
    """Return pages of ours by name: the unsubscribe page, the mail catcher, the preview of templates."""
    title = catalogue["overbid"].title_in(locale)
    pages = {
        f"page unsubscribe {kind} {brand.key}".strip(): unsubscribe_page(kind, locale, brand, [title])
        for kind in UnsubscribePage
        for brand in brands
    }
    titles = [type_.title_in(locale) for type_ in islice(catalogue, 5)]
    pages |= {
        f"page unsubscribe digest {kind}": unsubscribe_page(kind, locale, brands.default, titles)
        for kind in UnsubscribePage
    }
    mails = MailStore()
    for name in ("overbid", "reset_password", "payment_failed"):
        _, content = render_sample(renderer, settings.mail, name, locale)
        mails.add(CaughtMail("bounces@tocsin.test", ("alice@example.com",), content))
    newest = mails.newest_first()
    pages["page catcher"] = catcher_pages.list_page(mails, newest, "", 1, 1025)
    pages["page catcher empty"] = catcher_pages.list_page(MailStore(), [], "", 1, 1025)
    for view in ("text", "headers"):
        pages[f"page catcher {view}"] = catcher_pages.mail_page(newest[0], view)
    bell = (Path(catcher_pages.__file__).parent / "static" / "bell.svg").read_bytes()
    picture = f"data:image/svg+xml;base64,{b64encode(bell).decode()}"
    pages = {name: html.replace("/static/bell.svg", picture) for name, html in pages.items()}
    names = [type_.name for type_ in catalogue]
    preview = render_preview(renderer, settings.mail, "overbid", locale)
    pages["page preview"] = preview_page(names, ["shop"], PreviewChoice("overbid", locale), preview)
    return pages


def _sheet(view: View, names: Sequence[str], broken: dict[str, list[str]]) -> str:
    cells = "".join(
        f'<figure class="{"bad" if name in broken else ""}"><a href="{view.name}/{name}.jpeg">'
        f'<img src="{view.name}/{name}.jpeg" alt=""></a><figcaption>{name}'
        f"{''.join(f'<br>{escape(fault)}' for fault in broken.get(name, []))}</figcaption></figure>"
        for name in names
    )
    return f"""<!doctype html><meta charset="utf-8"><title>{view.name}</title><style>
body {{ font: 13px system-ui, sans-serif; margin: 16px; background: #ddd; display: grid; gap: 12px;
  grid-template-columns: repeat(7, 1fr); }}
figure {{ margin: 0; background: #fff; padding: 6px; }} figure.bad {{ outline: 4px solid #c00; }}
img {{ width: 100%; height: 260px; object-fit: cover; object-position: top; display: block; }}
figcaption {{ padding-top: 6px; overflow-wrap: anywhere; }}</style>{cells}"""


def main() -> int:
    """Write the gallery and print a line for each broken message; return exit code 1 if there is one."""
    settings, started = Settings(), time.monotonic()
    catalogue = load_catalogue(templates_directory())
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    views = [View(locale, width, scheme) for locale in LOCALES for width in WIDTHS for scheme in SCHEMES]
    faults: dict[str, dict[str, list[str]]] = {}
    with chromium() as browser:
        html = {locale: render_samples(catalogue, settings, locale) for locale in LOCALES}
        for view in views:
            faults[view.name] = take_screenshots(browser, view, html[view.locale], FOLDER)
    links = "".join(f'<li><a href="{view.name}.html">{view.name}</a></li>' for view in views)
    (FOLDER / "index.html").write_text(
        f"<!doctype html><title>Gallery</title><ul>{links}</ul>", encoding="utf-8"
    )
    for view_name, broken in faults.items():
        for name, texts in broken.items():
            print(f"{view_name} {name}: {'; '.join(texts)}", file=sys.stderr)
    count = sum(len(html[view.locale]) for view in views)
    bad = sum(map(len, faults.values()))
    print(
        f"{count} screenshots, {bad} broken, in {time.monotonic() - started:.0f} s: {FOLDER / 'index.html'}"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
