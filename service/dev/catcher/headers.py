"""Header values in readable form. No function here raises, whatever a message contains."""

import re
from email.errors import HeaderParseError
from email.header import decode_header


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which some charsets decode to and no response can encode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def unfold(value: str) -> str:
    """Unfold a value from the parser and decode its bytes beyond ASCII as UTF-8 (RFC 6532)."""
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return re.sub(r"\r?\n(?=[ \t])", "", text).strip("\r\n")


def decode_words(value: str) -> str:
    """Decode the encoded-words of a value (RFC 2047); return the value unchanged when that fails."""
    try:
        return replace_surrogates(
            "".join(_decode_chunk(chunk, charset) for chunk, charset in decode_header(value))
        )
    except (HeaderParseError, ValueError, LookupError):
        return value


def _decode_chunk(chunk: bytes | str, charset: str | None) -> str:
    if isinstance(chunk, str):
        return chunk
    return chunk.decode(charset or "raw-unicode-escape", "replace")
