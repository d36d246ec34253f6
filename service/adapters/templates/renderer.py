"""The Renderer of the ports: renders a delivery by the template of its type."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import NamedTuple

from jinja2 import UndefinedError

from service.adapters.brand_file import load_brands
from service.adapters.template_files import TemplateFault, TemplateFiles
from service.adapters.templates.check import digest_faults, template_faults
from service.adapters.templates.context import Fields, recipient_fields
from service.adapters.templates.digest import ONE_TYPE, digest_page
from service.adapters.templates.environment import TemplateNames
from service.adapters.templates.formats import locale_of
from service.adapters.templates.headers import (
    date_header,
    extra_header,
    mailbox_header,
    one_line,
    unstructured_header,
)
from service.adapters.templates.library import Library
from service.adapters.templates.message import SharedHeaders, assemble_message, shared_headers
from service.adapters.templates.page import Page
from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.pages.brand import Brand, Brands
from service.ports import RenderFailed
from service.settings import MailSettings, TemplateSettings

Sign = Callable[[bytes], bytes]
_LONGEST_SUBJECT, _LONGEST_LINE = 500, 1000  # characters; the data of an event may be much longer
_ID = re.compile(r"[A-Za-z0-9.-]{1,128}").fullmatch
_GROUP = re.compile(r"[a-z][a-z0-9_]{0,63}").fullmatch
_URL = re.compile(r"https?://[^<>\"\s]+").fullmatch


class TemplateRenderer:
    """Renderer without state between emails: the bytes depend only on delivery, headers, and files read once.

    `sign` makes the DKIM-Signature header of a finished message. Without `brands`, every email has the default one's
    look; without `files`, they are read now. Dates come from the delivery, so every attempt gives the same bytes. A
    5 kB email of two parts costs some 20 µs.
    """

    def __init__(
        self,
        mail: MailSettings,
        templates: TemplateSettings,
        catalogue: Catalogue,
        sign: Sign | None = None,
        brands: Brands | None = None,
        *,
        files: TemplateFiles | None = None,
    ) -> None:
        files = files or TemplateFiles.of(templates)
        self.brands = brands or load_brands(mail)
        self._libraries = {
            brand.key: Library(files, catalogue, brand, templates.locale) for brand in self.brands
        }
        self.library = self._libraries[""]
        """The templates of the default brand."""
        self._mail = mail
        self._sign = sign
        self._shared_headers: dict[tuple[str, str, str, str], SharedHeaders] = {}
        self._absent_data = {type_.name: dict.fromkeys(type_.meta) for type_ in catalogue}
        self._find_unsubscribe = re.compile(f"<({re.escape(mail.unsubscribe_base)}[/?][^<>\\s]*)>").search

    def email(self, delivery: Delivery, headers: Mapping[str, str], preferences: str = "") -> bytes:
        """Return a whole RFC 5322 message with CRLF lines. Raise RenderFailed.

        `headers` are added to the standard ones; the layout's unsubscribe link is taken from List-Unsubscribe.
        `preferences` is the URL of the page where the recipient chooses what to be notified of.
        """
        library = self._library(delivery)
        page = _page(library, delivery.type, delivery.locale)
        values = self._values(library, page, delivery)
        mail = _Mail(delivery, headers, preferences, page.type, delivery.dated_ms)
        return self._message(library, page, values, mail)

    def digest(
        self,
        delivery: Delivery,
        items: Sequence[Delivery],
        headers: Mapping[str, str],
        preferences: str = "",
    ) -> bytes:
        """Return the message of a digest. Raise RenderFailed, DigestItemsFailed where its items are the reason.

        All of it is in the language of the digest's recipient. Items of several brands are in the default one's look.
        Date is that of its release, or of an item that is newer.
        """
        library, page, values = self._digest(delivery, items)
        dated_ms = max(delivery.dated_ms, items[-1].dated_ms)
        mail = _Mail(delivery, headers, preferences, delivery.data["group"], dated_ms)
        return self._message(library, page, values, mail)

    def _digest(self, delivery: Delivery, items: Sequence[Delivery]) -> tuple[Library, Page, TemplateNames]:
        """Return the page of a digest and its values. Raise RenderFailed, DigestItemsFailed."""
        group = delivery.data.get("group")
        if not items or not isinstance(group, str) or not _GROUP(group):
            raise RenderFailed("a digest has a group and items")
        libraries = {self._library(item) for item in items}
        library = libraries.pop() if len(libraries) == 1 else self.library
        locale = _locale(delivery, _page(library, ONE_TYPE, delivery.locale))
        content = digest_page(items, group, library.catalogue, locale, partial(self._item, delivery))
        page = _page(library, content.name, delivery.locale)
        values = TemplateNames(library.shared)
        values["recipient"] = recipient_fields(delivery, _locale(delivery, page))
        values["action_url"] = values["site"]
        values.update(content.values)
        return library, page, values

    def _item(self, digest: Delivery, item: Delivery) -> tuple[str, str | None]:
        """Return text and URL of an item, in the language of its digest. Raise RenderFailed."""
        shown = item.replace(locale=digest.locale, timezone=digest.timezone, name=digest.name)
        text, values = self._line("inbox", shown)
        url = values["action_url"]
        return text, url if url != values["site"] else None

    def _message(self, library: Library, page: Page, values: TemplateNames, mail: "_Mail") -> bytes:
        """Return a whole message. Raise RenderFailed."""
        delivery, headers = mail.delivery, mail.headers
        if list_unsubscribe := headers.get("List-Unsubscribe"):
            link = self._find_unsubscribe(list_unsubscribe)
            values["unsubscribe"] = link[1] if link else ""
        if mail.preferences and _URL(mail.preferences):
            values["preferences"] = mail.preferences
        if not _ID(delivery.id):
            raise RenderFailed("the id of the delivery is not valid in a Message-ID")
        try:
            # Before the parts: the layout shows the subject too.
            values["subject"] = subject = _cut(one_line(page.block("subject", values)), _LONGEST_SUBJECT)
            own = [
                mailbox_header("To", delivery.name, delivery.address),
                unstructured_header("Subject", subject),
                date_header(mail.dated_ms),
                f"Message-ID: <{delivery.id}@{self._mail.list_domain}>\r\n".encode("ascii"),
                *[extra_header(name, value) for name, value in headers.items()],
            ]
            shared = self._headers(library, page, mail.list_name)
            content = assemble_message(shared, own, *page.bodies(values))
        except RenderFailed:
            raise
        except Exception as error:
            raise _render_failed(page, error) from error
        # Last: the signature covers the headers and the body hash of the finished message.
        return self._sign(content) + content if self._sign else content

    def inbox_line(self, delivery: Delivery) -> str:
        """Return the inbox text, one line of plain text. Raise RenderFailed."""
        return self.line("inbox", delivery)

    def brand_key(self, delivery: Delivery) -> str:
        """Return the key of the delivery's brand; empty for the default."""
        return self._library(delivery).brand.key

    def line(self, block: str, delivery: Delivery) -> str:
        """Return a block as one line of plain text. Raise RenderFailed."""
        return self._line(block, delivery)[0]

    def digest_line(self, block: str, delivery: Delivery, items: Sequence[Delivery]) -> str:
        """Return a block of a digest as one line of plain text. Raise RenderFailed, DigestItemsFailed."""
        _, page, values = self._digest(delivery, items)
        return _cut(one_line(page.block(block, values)), _LONGEST_LINE)

    def _line(self, block: str, delivery: Delivery) -> tuple[str, TemplateNames]:
        """Return a block as one line of plain text, and the values in it. Raise RenderFailed."""
        library = self._library(delivery)
        page = _page(library, delivery.type, delivery.locale)
        try:
            values = self._values(library, page, delivery)
            return _cut(one_line(page.block(block, values)), _LONGEST_LINE), values
        except RenderFailed:
            raise
        except Exception as error:
            raise _render_failed(page, error) from error

    def check(self) -> None:
        """Render a sample of every template; call it before a stage starts. Raise TemplateFault for the first fault."""
        for fault in self.faults():
            raise TemplateFault(fault)

    def faults(self) -> Iterator[str]:
        """Yield the faults of the templates, a line each with file and reason; of a file the first.

        A brand is values in the layout, so one type in each locale is enough to check each brand but the default.
        """
        usable = True
        for fault in template_faults(
            self.library, lambda delivery: (self.email(delivery, {}), self.inbox_line(delivery))
        ):
            usable = False
            yield fault
        if usable:  # digests have lines of all types: they would only repeat these faults
            yield from digest_faults(self.library, lambda digest, items: self.digest(digest, items, {}))
        for library in list(self._libraries.values())[1:]:
            for notification_type in islice(library.catalogue, 1):
                for locale in library.locales(notification_type.name):
                    try:
                        library.page(notification_type.name, locale)
                    except TemplateFault as fault:
                        yield f"{fault} (with the brand {library.brand.key})"

    def _library(self, delivery: Delivery) -> Library:
        if len(self._libraries) == 1:  # quick, and true of most installations
            return self.library
        return self._libraries[self.brands.brand_of_delivery(delivery).key]

    def _values(self, library: Library, page: Page, delivery: Delivery) -> TemplateNames:
        names = TemplateNames(library.shared)
        names["data"] = data = Fields(self._absent_data[page.type])
        data.update(delivery.data)
        names["recipient"] = recipient_fields(delivery, _locale(delivery, page))
        names["action_url"] = library.catalogue[page.type].url(names["site"], data) or names["site"]
        return names

    def _headers(self, library: Library, page: Page, list_name: str) -> SharedHeaders:
        brand: Brand = library.brand
        key = (brand.key, page.type, list_name, page.locale)
        shared = self._shared_headers.get(key)
        if shared is None:
            domain = library.catalogue[page.type.partition("/")[0]].domain
            shared = self._shared_headers[key] = shared_headers(
                self._mail, brand.sender_name, list_name, domain, page.locale
            )
        return shared


class _Mail(NamedTuple):
    """What a message has beside its text. `list_name`: the first part of its List-Id. `dated_ms`: its Date."""

    delivery: Delivery
    headers: Mapping[str, str]
    preferences: str
    list_name: str
    dated_ms: int


def _page(library: Library, name: str, locale: str) -> Page:
    try:
        return library.page(name, locale)
    except TemplateFault as fault:
        raise RenderFailed(str(fault)) from fault


def _locale(delivery: Delivery, page: Page) -> str:
    """Return the locale of dates and numbers: the recipient's within the language of the text, else the text's."""
    locale = delivery.locale
    return locale if locale == page.locale or _same_language(locale, page.locale) else page.locale


@lru_cache(maxsize=512)
def _same_language(one: str, other: str) -> bool:
    return locale_of(one).language == locale_of(other).language


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _render_failed(page: Page, error: Exception) -> RenderFailed:
    """Return an error that names template and exception, with the exception's text only where it cannot hold data."""
    detail = f": {error}" if isinstance(error, UndefinedError) else ""
    return RenderFailed(f"{page.type}/{page.locale}.j2: {type(error).__name__}{detail}")
