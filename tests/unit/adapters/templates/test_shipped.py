"""The templates that come with Tocsin, through the real layout."""

from functools import cache

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.adapters.templates import TemplateRenderer, render_preview
from service.settings import MailSettings, TemplateSettings, templates_directory

pytestmark = pytest.mark.exhaustive

GMAIL_CLIP_BYTES = 102_000


@cache
def shipped() -> TemplateRenderer:
    return TemplateRenderer(MailSettings(), TemplateSettings(), load_catalogue(templates_directory()))


def test_check() -> None:
    """Every type can be rendered in each of its locales, with and without optional data."""
    shipped().check()


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
