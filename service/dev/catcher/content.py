"""The parts of a mail's body. Never raises, whatever a mail contains."""

from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser

from service.dev.catcher.headers import clean, decoded, unescaped


@dataclass(frozen=True)
class Attachment:
    """A part that is neither the text nor the HTML."""

    part_id: str
    file_name: str
    content_type: str
    content_id: str
    inline: bool
    data: bytes


@dataclass(frozen=True)
class Content:
    """The first text part, the first HTML part, and the rest."""

    text: str
    html: str
    attachments: tuple[Attachment, ...]


def read_content(raw: bytes) -> Content:
    """Take a mail apart; parts that are missing are empty."""
    bodies = {"text/plain": "", "text/html": ""}
    attachments = []
    for index, part in enumerate(BytesParser().parsebytes(raw).walk()):
        kind = part.get_content_type()
        if part.is_multipart():
            continue
        if kind in bodies and not bodies[kind] and part.get_content_disposition() != "attachment":
            bodies[kind] = _text(part)
        else:
            attachments.append(_attachment(part, str(index)))
    return Content(bodies["text/plain"], bodies["text/html"], tuple(attachments))


def _data(part: Message) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError):
        payload = None
    return payload if isinstance(payload, bytes) else b""


def _text(part: Message) -> str:
    charset = part.get_content_charset("utf-8")
    try:
        text = _data(part).decode(charset, "replace")
    except (LookupError, ValueError):
        text = _data(part).decode("latin-1")
    return clean(text).replace("\r\n", "\n")


def _attachment(part: Message, part_id: str) -> Attachment:
    return Attachment(
        part_id=part_id,
        file_name=decoded(unescaped(part.get_filename() or "")),
        content_type=part.get_content_type(),
        content_id=unescaped(str(part.get("Content-ID", ""))).strip().strip("<>"),
        inline=part.get_content_disposition() == "inline" or "Content-ID" in part,
        data=_data(part),
    )
