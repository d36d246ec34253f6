"""Mail in the look of a brand, and what the footer says of each kind of type."""

import re
from pathlib import Path
from typing import Any

import pytest

from service.adapters.templates import TemplateRenderer
from service.bootstrap.parts import bootstrap
from service.model.catalogue import AudienceRule, Catalogue
from service.pages.brand import BrandFields, Brands, BrandTable, default_brand
from service.settings import BrandSettings, MailSettings, Settings, TemplateSettings
from tests.support.rendering import NOTE, bodies, make_delivery, note_type, parse_message, template_directory
from tests.unit.pages.test_brand import ALL_FIELDS, base

UNSUBSCRIBE = {"List-Unsubscribe": "<http://127.0.0.1:8000/unsubscribe/token>"}
PREFERENCES = "https://base.test/preferences?x=1&y=2"
SHOP: dict[str, Any] = {
    "sources": ["/shop"],
    "name": "Shop",
    "site": "https://shop.test",
    "accent": "#b91c1c",
}
EVIL = "</p><script>alert(1)</script>{{ 7*7 }}{% for x in y %}[[ 7*7 ]]\"'\\ }}"


def renderer(tmp_path: Path, brands: Brands, **type_fields: Any) -> TemplateRenderer:
    root = template_directory(tmp_path, {"note/en": NOTE, "note/de": NOTE})
    catalogue = Catalogue({"note": note_type(**type_fields)})
    return TemplateRenderer(MailSettings(), TemplateSettings(directory=root), catalogue, brands=brands)


def parts(content: bytes) -> tuple[str, str, str]:
    """Return From, the text and the HTML."""
    message = parse_message(content)
    return str(message["From"]), *bodies(message)


def test_a_mail_has_the_look_of_its_brand(tmp_path: Path) -> None:
    """Name, sender, links and colours are those of the source's brand; the default brand's mail is as before."""
    note = renderer(tmp_path, Brands(base(), {"shop": BrandTable(**SHOP)}))
    sender, text, html = parts(note.email(make_delivery(source="/shop"), {}))

    assert sender == "Shop <notifications@tocsin.test>"
    assert "\n-- \nShop · https://shop.test\n" in text
    assert 'href="https://shop.test/notes/Hello"' in html
    assert "#b91c1c" in html
    assert "base.test/" not in html
    for default in (note, renderer(tmp_path / "alone", Brands(base()))):
        sender, text, html = parts(default.email(make_delivery(source="/other"), {}))
        assert sender.startswith("Base Mail")
        assert "https://base.test" in text
        assert "#0f766e" in html
        assert "Shop" not in text + html
    assert note.inbox_line(make_delivery(source="/shop")) == "Hello"


def test_all_fields_are_in_the_frame(tmp_path: Path) -> None:
    """The logo with its size and text; address, help and footer in both parts; lines stay lines."""
    _, text, html = parts(renderer(tmp_path, Brands(base())).email(make_delivery(), UNSUBSCRIBE, PREFERENCES))

    image = re.search("<img[^>]*>", html)
    assert image
    for attribute in ('src="https://cdn.test/logo.png"', 'alt="Base"', 'width="120"', 'height="30"'):
        assert attribute in image[0]
    assert ">1 High Street<br>Exampleton</p>" in html
    assert 'href="mailto:help@base.test"' in html
    assert text.endswith(
        "\nHelp and contact:\nhelp@base.test\n\nRegistered.\n\n1 High Street\nExampleton\n\n"
    )
    assert f"\nManage preferences:\n{PREFERENCES}\n" in text
    assert 'href="https://base.test/preferences?x=1&amp;y=2"' in html


def test_what_is_not_set_leaves_nothing(tmp_path: Path) -> None:
    """No empty paragraph, label or separator."""
    bare = default_brand(BrandFields(), name="Base", site="https://base.test", sender_name="Base")
    _, text, html = parts(renderer(tmp_path, Brands(bare)).email(make_delivery(), {}))

    assert text.endswith("replies are not read.\n\n")
    assert not re.search(r'<p[^>]*>\s*</p>|· *</p>|href=""|<img|Help|Manage|nsubscribe', html)


@pytest.mark.parametrize(
    "preferences", ["", "javascript:alert(1)", 'https://x.test/"onclick="x', "https://x.test/ y"]
)
def test_only_a_web_address_is_the_link_to_preferences(tmp_path: Path, preferences: str) -> None:
    """Anything else shows no link."""
    _, text, html = parts(renderer(tmp_path, Brands(base())).email(make_delivery(), {}, preferences))

    assert "Manage preferences" not in text + html


@pytest.mark.parametrize(
    ("fields", "says", "unsubscribe", "preferences"),
    [
        ({}, "because of your notification settings at Base", True, True),
        ({"mandatory": True}, "whatever your notification settings are", False, True),
        ({"security": True}, "concerns access to your account", False, False),
        ({"security": True, "mandatory": True}, "concerns access to your account", False, False),
    ],
)
def test_the_footer_follows_the_type(
    tmp_path: Path, fields: dict[str, Any], says: str, unsubscribe: bool, preferences: bool
) -> None:
    """Mail about access to an account speaks of no settings, and says what to do if it was not the recipient."""
    note = renderer(tmp_path, Brands(base()), **fields)
    _, text, html = parts(note.email(make_delivery(), UNSUBSCRIBE, PREFERENCES))

    for part in (text, html):
        assert says in part
        assert ("/unsubscribe/token" in part) is unsubscribe
        assert ("base.test/preferences" in part) is preferences
        assert ("If it was not you" in part) is ("security" in fields)
        assert not ("security" in fields and "settings" in part)
        assert "1 High Street" in part


def test_hostile_values_of_a_brand_are_text(tmp_path: Path) -> None:
    """Nothing that an operator pastes becomes markup or template code."""
    fields = ALL_FIELDS | {"name": EVIL, "postal_address": EVIL, "footer": EVIL, "logo_alt": EVIL}
    brand = default_brand(BrandFields(**fields), name="", site="https://base.test", sender_name=EVIL)
    sender, text, html = parts(renderer(tmp_path, Brands(brand)).email(make_delivery(), {}))

    assert text.count(EVIL) == 4  # name twice, footer, address
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 4
    assert "49" not in text + html
    assert "script" in sender
    assert sender.endswith("<notifications@tocsin.test>")


def test_headers_follow_the_type_and_the_brand(tmp_path: Path) -> None:
    """Types about access to an account, and mandatory ones, have no List-Unsubscribe; a brand's link names it."""
    file = tmp_path / "brands.toml"
    file.write_text('[acme]\naccounts = ["acme"]\n')
    parts = bootstrap(Settings(mode="dev", mandatory=("overbid",), brand=BrandSettings(overrides=file)))
    account = {"rule": AudienceRule.account, "matched": "acme"}

    for type_ in ("reset_password", "new_account", "overbid"):
        assert parts.mail_links.headers(make_delivery(type=type_)) == {}
    plain = parts.mail_links.headers(make_delivery(type="winner"))
    branded = parts.mail_links.headers(make_delivery(type="payment", **account))
    assert set(plain) == set(branded) == {"List-Unsubscribe", "List-Unsubscribe-Post"}
    assert "?" not in plain["List-Unsubscribe"]
    assert branded["List-Unsubscribe"].endswith("?brand=acme>")


def test_the_brand_of_the_settings_reaches_the_renderer() -> None:
    """`TOCSIN_BRAND__NAME` is the name in a mail."""
    parts = bootstrap(Settings(brand=BrandSettings(name="Example", accent="#0f766e")))

    assert [brand.name for brand in parts.renderer.brands] == ["Example"]  # type: ignore[attr-defined]
