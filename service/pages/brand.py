"""Brands: the look, the names and the links of mail and pages, chosen by an event's source or the account.

One brand is the default, from the settings. Others are data: a table with the sources and accounts that it is for.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.model.validators import check_language_tag, check_line, is_text
from service.pages.palette import ACCENT, Palette, make_palette

_HTTPS = re.compile(r"""https://[A-Za-z0-9.-]+(?::\d{1,5})?(?:[/?#][^\s"'<>\\`{}|^;,]*)?""").fullmatch
_MAILTO = re.compile(r"""mailto:[^\s"'<>\\`{}|^;,@?]+@[A-Za-z0-9.-]+(?:\?[^\s"'<>\\`{}|^;,]*)?""").fullmatch
_SITE = re.compile(r"""https?://[^\s"'<>\\`{}|^/?#]+(?:/[^\s"'<>\\`{}|^?#]*)?""").fullmatch
KEY = r"^[a-z0-9][a-z0-9-]{0,31}$"
"""The pattern of a brand's key, the name of its table."""


def _check_logo(url: str) -> str:
    if url and not _HTTPS(url):
        raise ValueError("must be an https URL")
    return url


def _check_support(url: str) -> str:
    if url and not (_HTTPS(url) or _MAILTO(url)):
        raise ValueError("must be an https or mailto URL")
    return url


def _check_site(url: str) -> str:
    if not _SITE(url):
        raise ValueError("must be an http or https URL without a query")
    return url


def _check_lines(text: str) -> str:
    if not all(map(is_text, text.split("\n"))):
        raise ValueError("must not contain control characters except line feeds")
    return text


def _check_footer(footer: "str | Mapping[str, str]") -> "str | Mapping[str, str]":
    texts = {"": footer} if isinstance(footer, str) else footer
    for locale, text in texts.items():
        _check_lines(text)
        if locale:
            check_language_tag(locale)
    return footer


def _check_accent(accent: str) -> str:
    make_palette(accent)
    return accent


Line = Annotated[str, Field(max_length=100), AfterValidator(check_line)]
Lines = Annotated[str, Field(max_length=500), AfterValidator(_check_lines)]


class BrandFields(BaseModel):
    """The look of a brand, checked. Sizes are in CSS pixels; `footer` is one text, or one for each locale."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Line = ""
    logo_url: Annotated[str, Field(max_length=2000), AfterValidator(_check_logo)] = ""
    logo_alt: Line = ""
    logo_width: int | None = Field(default=None, ge=8, le=560)
    logo_height: int | None = Field(default=None, ge=8, le=200)
    accent: Annotated[str, AfterValidator(_check_accent)] = ACCENT
    postal_address: Lines = ""
    support_url: Annotated[str, Field(max_length=500), AfterValidator(_check_support)] = ""
    footer: Annotated[str | Mapping[str, str], AfterValidator(_check_footer)] = ""

    @model_validator(mode="after")
    def _logo_has_a_size(self) -> Self:
        if self.logo_url and not (self.logo_width and self.logo_height):
            raise ValueError("logo_url needs logo_width and logo_height, so that nothing moves when it loads")
        return self


class BrandTable(BrandFields):
    """A brand of its own for some events. A source that ends in `*` is a prefix."""

    sources: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    accounts: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    site: Annotated[str, AfterValidator(_check_site)] = ""
    sender_name: Line = ""

    @model_validator(mode="after")
    def _is_for_some_events(self) -> Self:
        if not self.sources and not self.accounts:
            raise ValueError("sources or accounts must say which events it is for")
        return self


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture instead of the name; the size is in CSS pixels."""

    url: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Brand:
    """A brand, complete. `key` is empty for the default; `site` is the base of links; `footers` are by locale."""

    key: str
    name: str
    site: str
    sender_name: str
    palette: Palette
    logo: Logo | None = None
    postal_address: str = ""
    support_url: str = ""
    footers: Mapping[str, str] | None = None

    def footer_in(self, locale: str) -> str:
        """Return the footer's text for `de-AT`: that of `de-AT`, of `de`, or the one for all others (key empty)."""
        footers, tag = self.footers or {}, locale.replace("_", "-")
        return footers.get(tag) or footers.get(tag.partition("-")[0].lower()) or footers.get("", "")


def default_brand(fields: BrandFields, *, name: str, site: str, sender_name: str) -> Brand:
    """Return the default brand; `name` is its name where the fields have none."""
    return _make_brand("", fields, name=fields.name or name, site=site, sender_name=sender_name)


def override_brand(key: str, table: BrandTable, default: Brand) -> Brand:
    """Return the brand of a table. What the table leaves out is the default's.

    But with a name of its own, it has no other logo and no other sender's name than its own.
    """
    renamed = "name" in table.model_fields_set
    own = _make_brand(
        key,
        table,
        name=table.name or default.name,
        site=table.site or default.site,
        sender_name=table.sender_name or (table.name if renamed else default.sender_name),
    )
    kept = table.model_fields_set
    return Brand(
        key,
        own.name,
        own.site,
        own.sender_name,
        palette=own.palette if "accent" in kept else default.palette,
        logo=own.logo if renamed or "logo_url" in kept else default.logo,
        postal_address=own.postal_address if "postal_address" in kept else default.postal_address,
        support_url=own.support_url if "support_url" in kept else default.support_url,
        footers=own.footers if "footer" in kept else default.footers,
    )


def _make_brand(key: str, fields: BrandFields, *, name: str, site: str, sender_name: str) -> Brand:
    logo = None
    if fields.logo_url:
        width, height = fields.logo_width or 0, fields.logo_height or 0
        logo = Logo(fields.logo_url, fields.logo_alt or name, width, height)
    return Brand(
        key,
        name,
        site.rstrip("/"),
        sender_name,
        make_palette(fields.accent),
        logo,
        fields.postal_address.strip(),
        fields.support_url,
        {"": fields.footer} if isinstance(fields.footer, str) else fields.footer,
    )


class Brands:
    """The default brand, and those of some sources and accounts.

    An account's brand is used before a source's, an exact source before a prefix, a longer prefix before a shorter one.
    Raise ValueError where two tables are for the same source or account.
    """

    def __init__(self, default: Brand, tables: Mapping[str, BrandTable] | None = None) -> None:
        self.default = default
        self.tables = dict(tables or {})
        self._brands = {key: override_brand(key, table, default) for key, table in self.tables.items()}
        self._accounts = _index((key, table.accounts) for key, table in self.tables.items())
        sources = _index((key, table.sources) for key, table in self.tables.items())
        self._sources = {source: key for source, key in sources.items() if not source.endswith("*")}
        prefixes = ((source[:-1], key) for source, key in sources.items() if source.endswith("*"))
        self._prefixes = sorted(prefixes, key=lambda item: -len(item[0]))
        self._of_source = lru_cache(maxsize=4096)(self._find_by_source)

    def __iter__(self) -> Iterator[Brand]:
        """Yield every brand, the default first."""
        yield self.default
        yield from self._brands.values()

    def named(self, key: str) -> Brand:
        """Return the brand of a key; the default for a key that does not exist."""
        return self._brands.get(key, self.default)

    def brand_of(self, source: str, account: str = "") -> Brand:
        """Return the brand of an event's source and, if its audience is an account, of that account."""
        if not self._brands:
            return self.default
        if account and (key := self._accounts.get(account)) is not None:
            return self._brands[key]
        return self._of_source(source)

    def brand_of_delivery(self, delivery: Delivery) -> Brand:
        """Return the brand of a delivery."""
        account = delivery.matched if delivery.rule is AudienceRule.account else ""
        return self.brand_of(delivery.source, account)

    def _find_by_source(self, source: str) -> Brand:
        key = self._sources.get(source)
        if key is None:
            key = next((key for prefix, key in self._prefixes if source.startswith(prefix)), "")
        return self.named(key)


def _index(keys: "Iterator[tuple[str, Sequence[str]]]") -> dict[str, str]:
    """Return the key of the table that each name belongs to."""
    index: dict[str, str] = {}
    for key, names in keys:
        for name in names:
            if index.setdefault(name, key) != key:
                raise ValueError(f"{name} is in [{index[name]}] and in [{key}]")
    return index
