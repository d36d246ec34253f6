"""The templates that come with Tocsin, through the real layout."""

from functools import cache

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.adapters.templates import TemplateRenderer, render_preview
from service.settings import MailSettings, TemplateSettings, templates_directory

GMAIL_CLIPS_AT = 102_000


@cache
def shipped() -> TemplateRenderer:
    return TemplateRenderer(MailSettings(), TemplateSettings(), load_catalogue(templates_directory()))


def test_check() -> None:
    """Every type can be rendered in every locale it has, with and without what is optional."""
    shipped().check()


@pytest.mark.parametrize("locale", ["en", "de"])
def test_every_type_in_both_languages(locale: str) -> None:
    """English and German are complete; each mail is whole and small, and no tag is left in it."""
    for row in shipped().library.catalogue:
        seen = render_preview(shipped(), MailSettings(), row.name, locale)

        assert dict(seen.headers)["Content-Language"] == locale, row.name
        assert seen.size < GMAIL_CLIPS_AT
        assert f'<html lang="{locale}"' in seen.html
        for text in (seen.subject, seen.preheader, seen.inbox, seen.text, seen.html):
            assert text.strip()
            assert not any(sign in text for sign in ("{{", "}}", "{%", "[[", "jinja")), row.name
