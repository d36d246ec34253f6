"""The templates that come with Tocsin, through the real layout."""

from functools import cache

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.adapters.templates import TemplateRenderer, render_preview
from service.adapters.templates.sample import sample_delivery
from service.model.delivery import json_document
from service.pages.brand import Brands, BrandTable
from service.settings import MailSettings, TemplateSettings, templates_directory
from tests.unit.pages.test_brand import base

pytestmark = pytest.mark.exhaustive

GMAIL_CLIP_BYTES = 102_000


@cache
def shipped() -> TemplateRenderer:
    return TemplateRenderer(MailSettings(), TemplateSettings(), load_catalogue(templates_directory()))


def test_check() -> None:
    """Every type can be rendered in each of its locales, with and without optional data."""
    shipped().check()


@pytest.mark.parametrize("locale", ["en", "de"])
def test_every_type_in_the_look_of_a_brand(locale: str) -> None:
    """With all fields of a brand each email is whole and small, has one button, and no id of a person."""
    brands = Brands(base(), {"shop": BrandTable(sources=("/shop",), name="Shop", footer={"de": "Fuß"})})
    catalogue = load_catalogue(templates_directory())
    branded = TemplateRenderer(MailSettings(), TemplateSettings(), catalogue, brands=brands)
    for type_ in catalogue:
        ids = {field: f"ID-OF-{field}" for field in type_.meta if not type_.shows(field)}
        for brand in ("", "shop"):
            preview = render_preview(branded, MailSettings(), type_.name, locale, brand)
            assert preview.size < GMAIL_CLIP_BYTES
            assert preview.html.count('class="button-link"') == 1, type_.name
            assert "1 High Street<br>Exampleton" in preview.html
            assert ("Fuß" in preview.text) == (brand == "shop" and locale == "de")
            assert not any(sign in preview.html for sign in ("{{", "}}", "{%", "[[", "jinja")), type_.name
        if ids:
            delivery = sample_delivery(type_, locale)
            delivery = delivery.replace(document=json_document({**delivery.data, **ids}))
            content = branded.email(delivery, {}).replace(b"=\r\n", b"").replace(b"/ID-OF-", b"/")
            assert b"ID-OF" not in content + branded.inbox_line(delivery).encode(), type_.name


@pytest.mark.parametrize("locale", ["en", "de"])
def test_every_type_in_both_languages(locale: str) -> None:
    """English and German are complete; each email is whole and small, and no template tag is left in it."""
    for type_ in shipped().library.catalogue:
        preview = render_preview(shipped(), MailSettings(), type_.name, locale)

        assert dict(preview.headers)["Content-Language"] == locale, type_.name
        assert preview.size < GMAIL_CLIP_BYTES
        assert f'<html lang="{locale}"' in preview.html
        for text in (preview.subject, preview.preheader, preview.inbox, preview.text, preview.html):
            assert text.strip()
            assert not any(sign in text for sign in ("{{", "}}", "{%", "[[", "jinja")), type_.name
