"""All templates in the look of a brand, compiled once, looked up by type and the recipient's locale."""

import tomllib
from collections.abc import Iterator
from functools import lru_cache

from jinja2 import TemplateError, TemplateSyntaxError, nodes

from service.adapters.template_files import TemplateFault, TemplateFiles
from service.adapters.templates.context import Link
from service.adapters.templates.digest import DIGEST_PAGES
from service.adapters.templates.environment import compile_template, make_environment, parse_button
from service.adapters.templates.layout import Layout, LayoutKind, read_layout
from service.adapters.templates.page import BLOCKS, DIGEST_BLOCKS, CheckedLayout, Page, compile_page
from service.model.catalogue import Catalogue
from service.pages.brand import Brand
from service.ports import RenderFailed


class Library:
    """The pages of a brand by type and locale. Each is compiled at its first use and kept: one for each file.

    All are of one version: `files` has their sources, whatever happens to the files meanwhile.
    """

    def __init__(self, files: TemplateFiles, catalogue: Catalogue, brand: Brand, locale: str) -> None:
        shared = {
            "product": brand.name,
            "site": brand.site,
            "link": Link(brand.site),
            "unsubscribe": "",
            "preferences": "",
        }
        self.brand = brand
        self.catalogue = catalogue
        self._files = files
        self.default_locale = locale
        self._html = make_environment(html=True, shared=shared)
        self._text = make_environment(html=False, shared=shared)
        self.shared = dict(self._text.globals)
        """The names that have the same values in every message."""
        self._layouts: dict[tuple[str, LayoutKind], CheckedLayout] = {}
        self._pages: dict[tuple[str, str], Page] = {}
        self._locales = {
            name: tuple(locales)
            for name, locales in files.templates().items()
            if name in catalogue or name in DIGEST_PAGES
        }
        self._template_locale = lru_cache(maxsize=4096)(self._choose_locale)

    def page(self, type_name: str, locale: str) -> Page:
        """Return the page of a type; for de-AT the first that exists of de-AT, de, the default locale, en.

        Digests have the pages of `DIGEST_PAGES`.

        Raise RenderFailed when none of them exists, TemplateFault when it cannot be compiled.
        """
        key = (type_name, self._template_locale(type_name, locale))
        return self._pages.get(key) or self._load(*key)

    def locales(self, type_name: str) -> tuple[str, ...]:
        """Return the locales that a type, or a template of digests, is written in, sorted."""
        return self._locales.get(type_name, ())

    def parse(self, type_name: str, locale: str) -> nodes.Template:
        """Return the syntax tree of a template. Raise TemplateFault when it cannot be compiled."""
        self.page(type_name, locale)  # first: it turns a fault of the file into a TemplateFault
        return self._text.parse(self._files.text(f"{type_name}/{locale}.j2"))

    def _choose_locale(self, type_name: str, locale: str) -> str:
        locales = self.locales(type_name)
        for candidate in fallback_locales(locale, self.default_locale):
            if candidate in locales:
                return candidate
        raise RenderFailed(f"no template for {type_name[:64]!r}")

    def _load(self, type_name: str, locale: str) -> Page:
        name = f"{type_name}/{locale}.j2"
        try:
            source = self._files.text(name)
            blocks = DIGEST_BLOCKS if type_name in DIGEST_PAGES else BLOCKS
            page = compile_page(type_name, locale, source, self.layout(type_name, locale), expected=blocks)
        except TemplateSyntaxError as error:
            raise TemplateFault(f"{error.name or name}: line {error.lineno}: {error.message}") from error
        except (OSError, UnicodeDecodeError, TemplateError) as error:
            raise TemplateFault(f"{name}: {error}") from error
        # Threads may compile the same page at the same time; setdefault keeps one of them for all.
        return self._pages.setdefault((type_name, locale), page)

    def layout(self, type_name: str, locale: str) -> CheckedLayout:
        """Return the layout of a type. Raise TemplateFault when it cannot be used."""
        kind = LayoutKind.of(self.catalogue[type_name.partition("/")[0]])
        for candidate in fallback_locales(locale, self.default_locale):
            if (candidate, kind) in self._layouts:
                return self._layouts[candidate, kind]
            if self.has_layout(candidate):
                break
        else:
            raise TemplateFault(f"layout/{locale}.toml is missing")
        try:
            sources = read_layout(self._files, candidate, self.brand, kind)
            layout = self._check_layout(sources, candidate)
        except TemplateSyntaxError as error:
            raise TemplateFault(f"{error.name}: line {error.lineno}: {error.message}") from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TemplateError) as error:
            raise TemplateFault(f"layout/{candidate}: {error}") from error
        return self._layouts.setdefault((candidate, kind), layout)

    def has_layout(self, locale: str) -> bool:
        """Return whether the layout has words in a locale, by the name of its file."""
        return f"layout/{locale}.toml" in self._files

    def _check_layout(self, layout: Layout, locale: str) -> CheckedLayout:
        """Return a layout that compiles without the blocks of a type, so that a fault names the right file."""
        compile_template(self._html, layout.html, f"layout/html.j2 ({locale})")
        compile_template(self._text, layout.text, f"layout/text.j2 ({locale})")
        return CheckedLayout(layout, self._html, self._text, parse_button(self._html, layout.button))


def fallback_locales(locale: str, default: str) -> Iterator[str]:
    """Yield the locales to try, best first, in the spelling of the file names (`de`, `de-AT`)."""
    exact = locale.replace("_", "-")
    yield from dict.fromkeys((exact, exact.partition("-")[0].lower(), default, "en"))
