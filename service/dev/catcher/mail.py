"""One caught mail: the envelope and the bytes as they came, taken apart only when somebody looks."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses, parsedate_to_datetime
from functools import cached_property
from uuid import uuid4

from service.dev.catcher.content import Content, read_content
from service.dev.catcher.headers import decoded, unescaped

_SNIPPET_CHARACTERS = 250


@dataclass(frozen=True)
class Address:
    """A display name (may be empty) and an addr-spec, as a header states them."""

    name: str
    address: str


@dataclass
class CaughtMail:
    """What one DATA brought. `raw` is exactly what was received, less the dot-stuffing."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    id: str = field(default_factory=lambda: uuid4().hex[:22])
    received: datetime = field(default_factory=lambda: datetime.now(UTC))
    read: bool = False

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """All headers in their order, names as sent, values unfolded but not decoded."""
        parsed: Message = BytesHeaderParser().parsebytes(self.raw)
        return [(unescaped(name), unescaped(value)) for name, value in parsed.raw_items()]

    def header(self, name: str) -> str:
        """The first header of that name, decoded; empty if there is none."""
        return next((decoded(value) for key, value in self.headers if key.lower() == name.lower()), "")

    def addresses(self, name: str) -> list[Address]:
        """Every address in the headers of that name."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        pairs = [pair for value in values for pair in getaddresses([value])]
        return [Address(decoded(label), address) for label, address in pairs if address]

    @property
    def hidden_recipients(self) -> list[Address]:
        """Envelope recipients that no header names, as a Bcc would be."""
        named = {one.address.lower() for one in self.addresses("To") + self.addresses("Cc")}
        return [Address("", address) for address in self.recipients if address.lower() not in named]

    @property
    def subject(self) -> str:
        """Decoded subject, may be empty."""
        return self.header("Subject")

    @property
    def message_id(self) -> str:
        """Without the angle brackets."""
        return self.header("Message-ID").strip().strip("<>")

    @property
    def date(self) -> datetime:
        """The Date header, or the time of receipt where that is missing or wrong."""
        try:
            date = parsedate_to_datetime(self.header("Date"))
        except (ValueError, TypeError, OverflowError):
            return self.received
        return date if date.tzinfo else date.replace(tzinfo=UTC)

    @cached_property
    def content(self) -> Content:
        """The text, HTML and attached parts."""
        return read_content(self.raw)

    @property
    def snippet(self) -> str:
        """The beginning of what a reader would see."""
        text = self.content.text or re.sub(
            r"(?is)<(style|script|title).*?</\1>|<[^>]*>", " ", self.content.html
        )
        return " ".join(text.split())[:_SNIPPET_CHARACTERS]
