"""Which brand a delivery has, and what a brand takes from the default."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.model.catalogue import AudienceRule
from service.pages.brand import Brand, BrandFields, Brands, BrandTable, default_brand
from tests.support.rendering import make_delivery

LOGO = {"logo_url": "https://cdn.test/logo.png", "logo_width": 120, "logo_height": 30}
ALL_FIELDS: dict[str, Any] = {
    **LOGO,
    "name": "Base",
    "accent": "#0f766e",
    "postal_address": "1 High Street\nExampleton",
    "support_url": "mailto:help@base.test",
    "footer": "Registered.",
}


def base(**fields: Any) -> Brand:
    brand = BrandFields(**(ALL_FIELDS | fields))
    return default_brand(brand, name="Product", site="https://base.test/", sender_name="Base Mail")


def brands(**tables: dict[str, Any]) -> Brands:
    return Brands(base(), {key: BrandTable(**fields) for key, fields in tables.items()})


def test_an_account_comes_before_a_source_and_an_exact_source_before_a_prefix() -> None:
    """Of prefixes the longest counts; where no table is for an event, the default is."""
    of = brands(
        everything={"sources": ["/shop*"]},
        exact={"sources": ["/shop/eu"]},
        longer={"sources": ["/shop/*"]},
        account={"accounts": ["acme"], "sources": ["/acme"]},
    ).brand_of

    chosen = {
        source: of(source).key for source in ("/shop", "/shop/eu", "/shop/eu/1", "/shop/", "/acme", "/", "")
    }
    assert chosen == {
        "/shop": "everything",
        "/shop/eu": "exact",
        "/shop/eu/1": "longer",
        "/shop/": "longer",
        "/acme": "account",
        "/": "",
        "": "",
    }
    assert of("/shop/eu", "acme").key == "account"
    assert of("/shop/eu", "other").key == "exact"


def test_the_account_of_a_delivery_is_that_of_an_account_audience() -> None:
    """A group or a role with the name of an account is not that account."""
    of = brands(acme={"accounts": ["acme"]}).brand_of_delivery

    assert of(make_delivery(rule=AudienceRule.account, matched="acme")).key == "acme"
    assert of(make_delivery(rule=AudienceRule.role, matched="acme")).key == ""
    assert of(make_delivery(rule=AudienceRule.users)).key == ""


def test_what_a_table_leaves_out_is_the_defaults() -> None:
    """All of it, as long as the table has no name of its own."""
    (brand,) = list(brands(shop={"sources": ["/shop"], "accent": "#b91c1c"}))[1:]
    default = base()

    assert brand.palette.light.link == "#b91c1c"
    assert (brand.name, brand.site, brand.sender_name) == ("Base", "https://base.test", "Base Mail")
    assert (brand.logo, brand.postal_address) == (default.logo, default.postal_address)
    assert (brand.support_url, brand.footer_in("de")) == ("mailto:help@base.test", "Registered.")


def test_a_table_with_a_name_has_no_other_logo_or_sender() -> None:
    """A mail never shows one name beside the logo of another."""
    shop: dict[str, Any] = {"sources": ["/shop"], "name": "Shop"}
    tables = {"shop": shop, "sender": {**shop, "sources": ["/s"], "sender_name": "Mail", **LOGO}}
    _, plain, full = brands(**tables)

    assert (plain.name, plain.sender_name, plain.logo) == ("Shop", "Shop", None)
    assert plain.palette.light.link == "#0f766e"
    assert full.sender_name == "Mail"
    assert full.logo is not None
    assert full.logo.alt == "Shop"


def test_two_tables_for_the_same_events_are_refused() -> None:
    """The error names both."""
    with pytest.raises(ValueError, match=r"/shop is in \[one\] and in \[two\]"):
        brands(one={"sources": ["/shop"]}, two={"sources": ["/a", "/shop"]})
    with pytest.raises(ValueError, match=r"acme is in"):
        brands(one={"accounts": ["acme"]}, two={"accounts": ["acme"]})


def test_a_footer_is_in_the_language_of_the_mail() -> None:
    """The exact locale, else its language, else the one for all others."""
    brand = base(footer={"de": "Deutsch", "de-AT": "Österreich", "": "Others"})

    locales = ("de-AT", "de_AT", "de-CH", "de", "fr", "en")
    assert [brand.footer_in(locale) for locale in locales] == [
        "Österreich", "Österreich", "Deutsch", "Deutsch", "Others", "Others",
    ]  # fmt: skip
    assert base(footer={"de": "Deutsch"}).footer_in("en") == ""


def test_a_key_that_does_not_exist_is_the_default() -> None:
    """Keys come from links, which a reader can change."""
    shop = brands(shop={"sources": ["/shop"]})

    assert shop.named("shop").key == "shop"
    assert {shop.named(key).key for key in ("", "x", "../shop", "SHOP")} == {""}


@pytest.mark.parametrize(
    "wrong",
    [
        {"logo_url": "http://cdn.test/logo.png", "logo_width": 9, "logo_height": 9},
        {"logo_url": "javascript:alert(1)", "logo_width": 9, "logo_height": 9},
        {"logo_url": "https://cdn.test/a b.png", "logo_width": 9, "logo_height": 9},
        {"logo_url": "https://cdn.test/a;script-src *", "logo_width": 9, "logo_height": 9},
        {"logo_url": 'https://cdn.test/a"onload=x', "logo_width": 9, "logo_height": 9},
        {"logo_url": "https://cdn.test/logo.png"},
        {"logo_url": "https://cdn.test/logo.png", "logo_width": 100},
        {"logo_url": "https://cdn.test/logo.png", "logo_width": 2000, "logo_height": 30},
        {"support_url": "http://help.test"},
        {"support_url": "mailto:nobody"},
        {"support_url": "mailto:a@b.test\nBcc: c@d.test"},
        {"name": "two\nlines"},
        {"postal_address": "a\rb"},
        {"footer": {"not a locale": "x"}},
        {"footer": {"de": "a\x00b"}},
        {"accent": "#ffd400"},
        {"unknown": "x"},
    ],
)
def test_values_that_cannot_be_used_are_refused(wrong: dict[str, Any]) -> None:
    """At the start, and not in a recipient's mail."""
    with pytest.raises(ValidationError):
        BrandFields(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"sources": [""]},
        {"sources": ["/a"], "site": "shop.test"},
        {"sources": ["/a"], "site": "https://s/?q"},
    ],
)
def test_a_table_says_which_events_it_is_for(wrong: dict[str, Any]) -> None:
    """A table for none is a mistake."""
    with pytest.raises(ValidationError):
        BrandTable(**wrong)
