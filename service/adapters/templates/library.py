"""All templates of a directory, compiled once, found by type and by the recipient's locale."""

import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from jinja2 import TemplateError, TemplateSyntaxError, nodes

from service.adapters.templates.context import Link
from service.adapters.templates.environment import button_of, compiled, environment, text_of
from service.adapters.templates.layout import Layout, read_layout
from service.adapters.templates.page import Compiled, Page, coded, make_page
from service.model.catalogue import Catalogue
from service.ports import RenderFailed
from service.settings import MailSettings


class TemplateFault(Exception):
    """Templates that cannot be used, in one line that names the file."""


class Library:
    """Pages by type and locale. Compiled when first wanted, kept for good: there are as many as there are files."""

    def __init__(self, directory: Path, catalogue: Catalogue, mail: MailSettings, locale: str) -> None:
        shared = {"product": mail.product, "site": mail.site.rstrip("/"), "link": Link(mail.site)}
        self.catalogue = catalogue
        self._directory = directory
        self.default = locale
        self._html = environment(html=True, shared=shared)
        self._text = environment(html=False, shared=shared)
        self._layouts: dict[str, Compiled] = {}
        self._pages: dict[tuple[str, str], Page] = {}
        self._files = {
            (path.parent.name, path.stem)
            for path in directory.glob("*/*.j2")
            if path.parent.name in catalogue
        }
        self._locale = lru_cache(maxsize=4096)(self._chosen)

    def page(self, type_: str, locale: str) -> Page:
        """For de-AT: de-AT, de, the default locale, en. Raises RenderFailed when none is there, TemplateFault."""
        key = (type_, self._locale(type_, locale))
        return self._pages.get(key) or self._load(*key)

    def locales(self, type_: str) -> tuple[str, ...]:
        """The locales that a type is written in, in order."""
        return tuple(sorted(locale for name, locale in self._files if name == type_))

    def tree(self, type_: str, locale: str) -> nodes.Template:
        """A template as parsed. Raises TemplateFault."""
        self.page(type_, locale)
        return self._text.parse(text_of(self._directory / type_ / f"{locale}.j2"))

    def _chosen(self, type_: str, locale: str) -> str:
        for candidate in fallbacks(locale, self.default):
            if (type_, candidate) in self._files:
                return candidate
        raise RenderFailed(f"no template for {type_[:64]!r}")

    def _load(self, type_: str, locale: str) -> Page:
        name = f"{type_}/{locale}.j2"
        try:
            source = text_of(self._directory / name)
            page = make_page(type_, locale, source, self._layout(locale))
        except TemplateSyntaxError as error:
            raise TemplateFault(f"{error.name or name}: line {error.lineno}: {error.message}") from error
        except (OSError, UnicodeDecodeError, TemplateError) as error:
            raise TemplateFault(f"{name}: {error}") from error
        return self._pages.setdefault((type_, locale), page)

    def _layout(self, locale: str) -> Compiled:
        for candidate in fallbacks(locale, self.default):
            if candidate in self._layouts:
                return self._layouts[candidate]
            if (self._directory / "layout" / f"{candidate}.toml").is_file():
                break
        else:
            raise TemplateFault(f"layout/{locale}.toml is missing")
        try:
            layout = self._compiled(read_layout(self._directory / "layout", candidate), candidate)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TemplateError) as error:
            raise TemplateFault(f"layout/{candidate}: {error}") from error
        return self._layouts.setdefault(candidate, layout)

    def _compiled(self, layout: Layout, locale: str) -> Compiled:
        html = compiled(self._html, layout.html, f"layout/html.j2 ({locale})")
        text = compiled(self._text, layout.text, f"layout/text.j2 ({locale})")
        button = button_of(self._html, layout.button)
        return Compiled(html, text, button, layout.css, coded(html) | coded(text))


def fallbacks(locale: str, default: str) -> Iterator[str]:
    """The locales to look for, best first, as files are named (`de`, `de-AT`)."""
    exact = locale.replace("_", "-")
    yield from dict.fromkeys((exact, exact.partition("-")[0].lower(), default, "en"))
