"""The Renderer of the ports: renders a delivery by the template of its type."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path

from jinja2 import UndefinedError

from service.adapters.brand_file import load_brands
from service.adapters.templates.check import check_templates
from service.adapters.templates.context import Fields, recipient_fields
from service.adapters.templates.environment import TemplateNames
from service.adapters.templates.formats import locale_of
from service.adapters.templates.headers import (
    date_header,
    extra_header,
    mailbox_header,
    one_line,
    unstructured_header,
)
from service.adapters.templates.library import Library, TemplateFault
from service.adapters.templates.message import SharedHeaders, assemble_message, shared_headers
from service.adapters.templates.page import Page
from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.pages.brand import Brand, Brands
from service.ports import RenderFailed
from service.settings import MailSettings, TemplateSettings, templates_directory

Sign = Callable[[bytes], bytes]
_LONGEST_SUBJECT, _LONGEST_LINE = 500, 1000  # characters; the data of an event may be much longer
_ID = re.compile(r"[A-Za-z0-9.-]{1,128}").fullmatch
_URL = re.compile(r"https?://[^<>\"\s]+").fullmatch


class TemplateRenderer:
    """Renderer without state between emails: the bytes depend only on delivery, headers, and files read once.

    `sign` makes the DKIM-Signature header of a finished message. Without `brands`, every email has the default one's
    look. Dates come from the delivery, so every attempt gives the same bytes. A 5 kB email of two parts costs some
    20 µs.
    """

    def __init__(
        self,
        mail: MailSettings,
        templates: TemplateSettings,
        catalogue: Catalogue,
        sign: Sign | None = None,
        brands: Brands | None = None,
    ) -> None:
        directory: Path = templates.directory or templates_directory()
        self.brands = brands or load_brands(mail)
        self._libraries = {
            brand.key: Library(directory, catalogue, brand, templates.locale) for brand in self.brands
        }
        self.library = self._libraries[""]
        """The templates of the default brand."""
        self._mail = mail
        self._sign = sign
        self._shared_headers: dict[tuple[str, str, str], SharedHeaders] = {}
        self._absent_data = {type_.name: dict.fromkeys(type_.meta) for type_ in catalogue}
        self._find_unsubscribe = re.compile(f"<({re.escape(mail.unsubscribe_base)}[/?][^<>\\s]*)>").search

    def email(self, delivery: Delivery, headers: Mapping[str, str], preferences: str = "") -> bytes:
        """Return a whole RFC 5322 message with CRLF lines. Raise RenderFailed.

        `headers` are added to the standard ones; the layout's unsubscribe link is taken from List-Unsubscribe.
        `preferences` is the URL of the page where the recipient chooses what to be notified of.
        """
        library = self._library(delivery)
        page = _page(library, delivery)
        values = self._values(library, page, delivery)
        if list_unsubscribe := headers.get("List-Unsubscribe"):
            link = self._find_unsubscribe(list_unsubscribe)
            values["unsubscribe"] = link[1] if link else ""
        if preferences and _URL(preferences):
            values["preferences"] = preferences
        if not _ID(delivery.id):
            raise RenderFailed("the id of the delivery is not valid in a Message-ID")
        try:
            # Before the parts: the layout shows the subject too.
            values["subject"] = subject = _cut(one_line(page.block("subject", values)), _LONGEST_SUBJECT)
            own = [
                mailbox_header("To", delivery.name, delivery.address),
                unstructured_header("Subject", subject),
                date_header(delivery.dated_ms),
                f"Message-ID: <{delivery.id}@{self._mail.list_domain}>\r\n".encode("ascii"),
                *[extra_header(name, value) for name, value in headers.items()],
            ]
            content = assemble_message(self._headers(library, page), own, *page.bodies(values))
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
        library = self._library(delivery)
        page = _page(library, delivery)
        try:
            return _cut(one_line(page.block(block, self._values(library, page, delivery))), _LONGEST_LINE)
        except RenderFailed:
            raise
        except Exception as error:
            raise _render_failed(page, error) from error

    def check(self) -> None:
        """Render a sample of every template; call it before a stage starts. Raise TemplateFault for the first fault.

        A brand is values in the layout, so one type in each locale is enough to check each brand but the default.
        """
        check_templates(self.library, lambda delivery: (self.email(delivery, {}), self.inbox_line(delivery)))
        for library in self._libraries.values():
            for notification_type in islice(library.catalogue, 1):
                for locale in library.locales(notification_type.name):
                    library.page(notification_type.name, locale)

    def _library(self, delivery: Delivery) -> Library:
        if len(self._libraries) == 1:  # quick, and true of most installations
            return self.library
        return self._libraries[self.brands.brand_of_delivery(delivery).key]

    def _values(self, library: Library, page: Page, delivery: Delivery) -> TemplateNames:
        locale = delivery.locale
        if locale != page.locale and not _same_language(locale, page.locale):
            locale = page.locale
        names = TemplateNames(library.shared)
        names["data"] = data = Fields(self._absent_data[page.type])
        data.update(delivery.data)
        names["recipient"] = recipient_fields(delivery, locale)
        names["action_url"] = library.catalogue[page.type].url(names["site"], data) or names["site"]
        return names

    def _headers(self, library: Library, page: Page) -> SharedHeaders:
        brand: Brand = library.brand
        key = (brand.key, page.type, page.locale)
        shared = self._shared_headers.get(key)
        if shared is None:
            domain = library.catalogue[page.type].domain
            shared = self._shared_headers[key] = shared_headers(
                self._mail, brand.sender_name, page.type, domain, page.locale
            )
        return shared


def _page(library: Library, delivery: Delivery) -> Page:
    try:
        return library.page(delivery.type, delivery.locale)
    except TemplateFault as fault:
        raise RenderFailed(str(fault)) from fault


@lru_cache(maxsize=512)
def _same_language(one: str, other: str) -> bool:
    return locale_of(one).language == locale_of(other).language


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _render_failed(page: Page, error: Exception) -> RenderFailed:
    """Return an error that names template and exception, with the exception's text only where it cannot hold data."""
    detail = f": {error}" if isinstance(error, UndefinedError) else ""
    return RenderFailed(f"{page.type}/{page.locale}.j2: {type(error).__name__}{detail}")
