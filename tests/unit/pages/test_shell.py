"""The frame of small pages: one style known by its hash, nothing from outside, any language, any name."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from service.pages.brand import BrandFields, default_brand
from service.pages.shell import OWN_BRAND, Shell
from tests.unit.pages.test_brand import base

EVIL = """"><script>alert('x')</script>{0}&amp;"""


class Elements(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("css", ["", "nav { color: red; }"])
def test_the_policy_knows_the_style_by_its_hash(css: str) -> None:
    """No other style, no script, no form to another site, no frame."""
    shell = Shell(OWN_BRAND, css)
    (style,) = re.findall("<style>(.*?)</style>", shell.document("Title", "<p>Text</p>"), re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()

    assert style.endswith(css)
    assert shell.headers == {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    }


def test_sources_are_added_and_the_logo_is_allowed_from_its_host_only() -> None:
    """A page with a script names it; the logo's host is the only one that a page with a logo asks."""
    policy = Shell(base(), sources={"script-src": "'self'"}).headers["Content-Security-Policy"]

    assert "; script-src 'self'" in policy
    assert "; img-src https://cdn.test" in policy
    assert "*" not in policy


def test_a_card_has_brand_heading_content_and_foot() -> None:
    """The logo has its size and its text; the address and the help are at the foot."""
    html = Shell(base(logo_alt="Base logo")).card("A & B", "<p>Content</p>", language="de")
    elements = Elements(html).found

    assert ("html", {"lang": "de", "dir": "ltr"}) in elements
    logo = {"src": "https://cdn.test/logo.png", "alt": "Base logo", "width": "120", "height": "30"}
    assert ("img", logo) in elements
    assert "<title>A &amp; B · Base</title>" in html
    assert "<h1>A &amp; B</h1><p>Content</p><footer>1 High Street<br>Exampleton<br>" in html
    assert '<a href="mailto:help@base.test">help@base.test</a>' in html
    assert "<footer>" not in Shell(OWN_BRAND).card("A", "")


@pytest.mark.parametrize(
    ("language", "direction"), [("ar", "rtl"), ("he-IL", "rtl"), ("fa_IR", "rtl"), ("pt-BR", "ltr")]
)
def test_the_direction_is_that_of_the_language(language: str, direction: str) -> None:
    """A page in Arabic runs from right to left."""
    assert ("html", {"lang": language, "dir": direction}) in Elements(
        Shell(OWN_BRAND).card("x", "", language=language)
    ).found


def test_no_value_of_a_brand_breaks_out() -> None:
    """Markup in a name, an address or a title is text."""
    fields = BrandFields(
        postal_address=EVIL,
        logo_url="https://cdn.test/l.png",
        logo_alt=EVIL,
        logo_width=9,
        logo_height=9,
    )
    brand = default_brand(fields, name=EVIL, site="https://s.test", sender_name=EVIL)
    tags = [tag for tag, _ in Elements(Shell(brand).card(EVIL, "<p>x</p>", language=EVIL)).found]

    assert "script" not in tags
    assert tags.count("img") == 1
