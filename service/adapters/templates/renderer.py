"""The Renderer of the ports: a delivery and its template become what a person reads."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import UndefinedError

from service.adapters.templates.check import check
from service.adapters.templates.context import reader
from service.adapters.templates.formats import locale_of
from service.adapters.templates.headers import date, given, mailbox, one_line, unstructured
from service.adapters.templates.library import Library, TemplateFault
from service.adapters.templates.message import Frame, frame, message
from service.adapters.templates.page import Page
from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.ports import RenderFailed
from service.settings import MailSettings, TemplateSettings, templates_directory

Sign = Callable[[bytes], bytes]
_ID = re.compile(r"[A-Za-z0-9.-]{1,128}").fullmatch


class TemplateRenderer:
    """Stateless between mails: a mail is a function of its delivery, its headers and the files read at the start.

    `sign` makes the DKIM-Signature header of a finished message. Dates are those of the delivery, so every attempt
    is the same bytes. A 5 kB mail of two parts costs some 40 µs.
    """

    def __init__(
        self, mail: MailSettings, templates: TemplateSettings, catalogue: Catalogue, sign: Sign | None = None
    ) -> None:
        directory: Path = templates.directory or templates_directory()
        self.library = Library(directory, catalogue, mail, templates.locale)
        self._mail = mail
        self._sign = sign
        self._frames: dict[tuple[str, str], Frame] = {}
        self._optional = {row.name: dict.fromkeys(row.meta) for row in catalogue}
        self._unsubscribe = re.compile(f"<({re.escape(mail.unsubscribe_base)}[/?][^<>\\s]*)>").search

    def email(self, delivery: Delivery, headers: Mapping[str, str]) -> bytes:
        """A whole RFC 5322 message, CRLF lines. Raises RenderFailed.

        `headers` are added as they stand; an unsubscribe link of the layout is the one of List-Unsubscribe.
        """
        page = self._page(delivery)
        values = self._values(page, delivery, headers.get("List-Unsubscribe", ""))
        if not _ID(delivery.id):
            raise RenderFailed("the delivery's id cannot stand in a Message-ID")
        try:
            values["subject"] = subject = one_line(page.block("subject", values))
            own = [
                mailbox("To", delivery.name, delivery.address),
                unstructured("Subject", subject),
                date(delivery.received_ms),
                f"Message-ID: <{delivery.id}@{self._mail.list_domain}>\r\n".encode("ascii"),
                *(given(name, value) for name, value in headers.items()),
            ]
            text, html = page.text_pieces(values), page.html_pieces(values)
            made = message(self._frame(page), own, text, html, page.fixed)
        except RenderFailed:
            raise
        except Exception as error:
            raise _failed(page, error) from error
        return self._sign(made) + made if self._sign else made

    def inbox_line(self, delivery: Delivery) -> str:
        """One line of plain text. Raises RenderFailed."""
        return self.line("inbox", delivery)

    def line(self, block: str, delivery: Delivery) -> str:
        """A block as one line of plain text. Raises RenderFailed."""
        page = self._page(delivery)
        try:
            return one_line(page.block(block, self._values(page, delivery)))
        except RenderFailed:
            raise
        except Exception as error:
            raise _failed(page, error) from error

    def check(self) -> None:
        """To be called before anything starts. Raises TemplateFault for the first template that cannot be used."""
        check(self.library, lambda delivery: (self.email(delivery, {}), self.inbox_line(delivery)))

    def _page(self, delivery: Delivery) -> Page:
        try:
            return self.library.page(delivery.type, delivery.locale)
        except TemplateFault as fault:
            raise RenderFailed(str(fault)) from fault

    def _values(self, page: Page, delivery: Delivery, list_unsubscribe: str = "") -> dict[str, Any]:
        same = _same_language(delivery.locale, page.locale)
        link = self._unsubscribe(list_unsubscribe) if list_unsubscribe else None
        return {
            "data": {**self._optional[page.type], **delivery.data},
            "recipient": reader(delivery, delivery.locale if same else page.locale),
            "unsubscribe": link[1] if link else "",
        }

    def _frame(self, page: Page) -> Frame:
        key = (page.type, page.locale)
        if key not in self._frames:
            domain = self.library.catalogue[page.type].domain
            self._frames[key] = frame(self._mail, page.type, domain, page.locale)
        return self._frames[key]


@lru_cache(maxsize=512)
def _same_language(one: str, other: str) -> bool:
    return locale_of(one).language == locale_of(other).language


def _failed(page: Page, error: Exception) -> RenderFailed:
    """Names the place and the kind of fault. The error's text is told only where it cannot hold data."""
    told = f": {error}" if isinstance(error, UndefinedError) else ""
    return RenderFailed(f"{page.type}/{page.locale}.j2: {type(error).__name__}{told}")
