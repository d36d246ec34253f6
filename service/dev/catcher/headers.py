"""Header values as people read them. Never raises, whatever a mail contains."""

import re
from email.errors import HeaderParseError
from email.header import decode_header


def clean(text: str) -> str:
    """Without lone surrogates, which some charsets decode to and no answer can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def unescaped(value: str) -> str:
    """A value as the parser keeps it, unfolded; bytes beyond ASCII are read as UTF-8 (RFC 6532)."""
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return re.sub(r"\r?\n(?=[ \t])", "", text).strip("\r\n")


def decoded(value: str) -> str:
    """With its encoded-words (RFC 2047) decoded; what cannot be decoded stays as it is."""
    try:
        return clean("".join(_read(chunk, charset) for chunk, charset in decode_header(value)))
    except (HeaderParseError, ValueError, LookupError):
        return value


def _read(chunk: bytes | str, charset: str | None) -> str:
    if isinstance(chunk, str):
        return chunk
    return chunk.decode(charset or "raw-unicode-escape", "replace")
