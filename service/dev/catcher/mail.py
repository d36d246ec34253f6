"""A caught message: its envelope and its bytes as received, parsed only on access."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses, parsedate_to_datetime
from functools import cached_property
from uuid import uuid4

from service.dev.catcher.content import Content, read_content, visible_text
from service.dev.catcher.headers import decode_words, unfold

_SNIPPET_CHARACTERS = 250
_READ_CHARACTERS = 100_000


@dataclass(frozen=True)
class Address:
    """A display name, which may be empty, and an addr-spec, as in a header."""

    name: str
    address: str


@dataclass
class CaughtMail:
    """The message of one DATA command. `raw` holds the bytes as received, without the dot-stuffing."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    id: str = field(default_factory=lambda: uuid4().hex[:22])
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    read: bool = False

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """Return the headers in their order, names as sent, values unfolded but not decoded."""
        parsed: Message = BytesHeaderParser().parsebytes(self.raw)
        return [(unfold(name), unfold(value)) for name, value in parsed.raw_items()]

    def header(self, name: str) -> str:
        """Return the decoded value of the first header of that name, or an empty string."""
        return next((decode_words(value) for key, value in self.headers if key.lower() == name.lower()), "")

    def addresses(self, name: str) -> list[Address]:
        """Return the addresses in all headers of that name."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        pairs = [pair for value in values for pair in _address_pairs(value)]
        return [Address(decode_words(label), address) for label, address in pairs if address]

    @property
    def hidden_recipients(self) -> list[Address]:
        """Return the envelope recipients that no header names, such as those of a Bcc."""
        named = {address.address.lower() for address in self.addresses("To") + self.addresses("Cc")}
        return [Address("", address) for address in self.recipients if address.lower() not in named]

    @property
    def subject(self) -> str:
        """Return the decoded subject, which may be empty."""
        return self.header("Subject")

    @property
    def message_id(self) -> str:
        """Return the Message-ID without its angle brackets."""
        return self.header("Message-ID").strip().strip("<>")

    @property
    def date(self) -> datetime:
        """Return the time of the Date header, or the time of receipt when that header is missing or malformed."""
        try:
            date = parsedate_to_datetime(self.header("Date"))
        except (ValueError, TypeError, OverflowError):
            return self.received_at
        return date if date.tzinfo else date.replace(tzinfo=UTC)

    @cached_property
    def content(self) -> Content:
        """Return the text, HTML and attached parts."""
        return read_content(self.raw)

    @property
    def snippet(self) -> str:
        """Return the beginning of the visible text."""
        if text := self.content.text:
            return " ".join(text[:_READ_CHARACTERS].split())[:_SNIPPET_CHARACTERS]
        return visible_text(self.content.html, _SNIPPET_CHARACTERS)


def _address_pairs(value: str) -> list[tuple[str, str]]:
    """Return the names and addresses in a header; none where comments or groups are nested too deep to be read."""
    try:
        return getaddresses([value])
    except RecursionError:
        return []
