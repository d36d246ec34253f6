"""The parts of a message's body. No function here raises, whatever a message contains."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser

from service.dev.catcher.headers import decode_words, replace_surrogates, unfold


@dataclass(frozen=True)
class Attachment:
    """A part that is neither the text nor the HTML body."""

    part_id: str
    file_name: str
    content_type: str
    content_id: str
    inline: bool
    data: bytes


@dataclass(frozen=True)
class Content:
    """The first text part, the first HTML part, and the other parts as attachments."""

    text: str
    html: str
    attachments: tuple[Attachment, ...]


def read_content(raw: bytes) -> Content:
    """Return the parts of a message; a missing text or HTML part is empty."""
    try:
        return _content(list(BytesParser().parsebytes(raw).walk()))
    except RecursionError:  # parts within parts: the parser and its tree are recursive
        return Content(replace_surrogates(raw.decode("utf-8", "replace")), "", ())


def visible_text(html: str, most: int) -> str:
    """Return the beginning of the text that HTML shows, on one line. Its cost is in proportion to the HTML."""
    words: list[str] = []
    size, hidden = 0, ""
    for token in _TOKEN.finditer(html):
        closing, name, text = token.groups(default="")
        name = name.lower()
        if hidden:
            hidden = "" if closing and name == hidden else hidden
        elif name and not closing:
            hidden = name
        elif text:
            words += text.split()
            size += len(text)
        if size > most and len(" ".join(words)) >= most:
            break
    return " ".join(words)[:most]


_TOKEN = re.compile(r"(?i)<(/?)(?:(style|script|title)\b)?[^<>]*+>|(<?[^<]++|<)")


def _content(parts: Sequence[Message]) -> Content:
    bodies = {"text/plain": "", "text/html": ""}
    attachments = []
    for index, part in enumerate(parts):
        kind = part.get_content_type()
        if part.is_multipart():
            continue
        if kind in bodies and not bodies[kind] and part.get_content_disposition() != "attachment":
            bodies[kind] = _text(part)
        else:
            attachments.append(_attachment(part, str(index)))
    return Content(bodies["text/plain"], bodies["text/html"], tuple(attachments))


def _payload(part: Message) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError):
        payload = None
    return payload if isinstance(payload, bytes) else b""


def _text(part: Message) -> str:
    charset = part.get_content_charset("utf-8")
    try:
        text = _payload(part).decode(charset, "replace")
    except (LookupError, ValueError):
        text = _payload(part).decode("latin-1")
    return replace_surrogates(text).replace("\r\n", "\n")


def _attachment(part: Message, part_id: str) -> Attachment:
    return Attachment(
        part_id=part_id,
        file_name=decode_words(unfold(part.get_filename() or "")),
        content_type=part.get_content_type(),
        content_id=unfold(str(part.get("Content-ID", ""))).strip().strip("<>"),
        inline=part.get_content_disposition() == "inline" or "Content-ID" in part,
        data=_payload(part),
    )
