"""Header fields as bytes: folded, encoded here (RFC 2047), never able to start another header field.

Data from outside cannot pass for an encoded-word: text that holds "=?" is itself encoded. CPython 3.11's
`EmailMessage` decodes such a text and writes the result (CVE-2024-6923 is the same fault).
"""

import re
from binascii import b2a_base64
from email.utils import formatdate
from functools import lru_cache

from service.model.address import address_domain, ascii_address
from service.ports import RenderFailed

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search
_CONTROLS_OR_SPACES = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_READABLE = re.compile("[!-~]{1,60}+(?: [!-~]{1,60}+)*+").fullmatch
_ATOMS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,40}+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,40}+)*+"
).fullmatch
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}").fullmatch
_MAX_LINE = 76  # RFC 2047 section 2; RFC 5322 section 2.1.1 recommends 78
_RESERVED = re.compile(
    r"(?i)from|to|cc|bcc|sender|subject|date|message-id|mime-version|content-.*|auto-submitted|list-id|feedback-id"
    r"|return-path|received|dkim-signature"
).fullmatch


def one_line(text: str) -> str:
    """Return text for a header or an inbox: control characters and line ends of any kind become single spaces."""
    if text.isprintable() and "  " not in text:  # has none of these: quick, and true of nearly all
        return text.strip(" ")
    must_replace = "  " in text or _CONTROL(text)
    return (_CONTROLS_OR_SPACES.sub(" ", text) if must_replace else text).strip(" ")


def unstructured_header(name: str, text: str) -> bytes:
    """Return `Name: text` with CRLF, for free text such as a subject, in lines of at most 78 octets."""
    if len(name) + len(text) <= 75 and _READABLE(text) and "=?" not in text:
        return f"{name}: {text}\r\n".encode("ascii")
    text = one_line(text)
    if "=?" in text or not _READABLE(text):
        return _fold(f"{name}:", _encode_words(text, len(name) + 2))
    return _fold(f"{name}:", text.split(" "))


def mailbox_header(header: str, name: str, address: str) -> bytes:
    """Return `To: Name <address>` with CRLF, the domain as A-labels (RFC 5322 section 3.4, RFC 6532).

    Raise RenderFailed for anything but exactly one addr-spec. It is not repaired: that could name another mailbox.
    """
    if "=?" in address or address_domain(address) is None:
        raise RenderFailed("the address is not exactly one addr-spec")
    spec = f"<{address if address.isascii() else ascii_address(address) or address}>"
    if len(header) + len(name) + len(spec) <= 73 and _ATOMS(name) and "=?" not in name:
        return f"{header}: {name} {spec}\r\n".encode()
    name = one_line(name)
    if _ATOMS(name) and "=?" not in name:
        words = name.split(" ")
    elif _READABLE(name) and "=?" not in name and len(name) <= 60:
        words = ['"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"']
    else:
        words = _encode_words(name, len(header) + 2)
    return _fold(f"{header}:", [*words, spec])


def extra_header(name: str, value: str) -> bytes:
    """Return a header that another part of Tocsin made, its value folded at spaces where it is long.

    Raise RenderFailed for a reserved name, and for a name or value that could become more than one header.
    """
    if not _is_addable(name):
        raise RenderFailed(f"the header name {name[:64]!r} is reserved or not valid")
    plain = value.isascii() and value.isprintable()
    plain = plain and (" " not in value or ("  " not in value and value == value.strip()))
    if not plain or not 0 < len(value) <= 950 or "=?" in value:
        raise RenderFailed(f"the value of {name} is not one line of printable ASCII")
    if len(name) + len(value) <= 76 or " " not in value:
        return f"{name}: {value}\r\n".encode("ascii")
    return _fold(f"{name}:", value.split(" "))


@lru_cache(maxsize=256)
def _is_addable(name: str) -> bool:
    return bool(_FIELD_NAME(name)) and not _RESERVED(name)


@lru_cache(maxsize=256)
def date_header(ms: int) -> bytes:
    """Return the Date header of a time in milliseconds since the epoch, in UTC."""
    return f"Date: {formatdate(ms // 1000)[:-5]}+0000\r\n".encode("ascii")


def _fold(start: str, words: list[str]) -> bytes:
    """Return the words joined by spaces, with a line break before a word that would pass column 76."""
    whole = f"{start} {' '.join(words)}\r\n"
    if len(whole) <= _MAX_LINE + 2:
        return whole.encode()
    lines, line = [], start
    for word in words:
        if len(line) + 1 + len(word) > _MAX_LINE and line not in ("", start):
            lines.append(line)
            line = ""
        line = f"{line} {word}"
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("utf-8")


def _encode_words(text: str, column: int) -> list[str]:
    """Return RFC 2047 encoded-words of whole characters; the first begins at `column`.

    They are Q-encoded where that is shorter, else B-encoded.
    """
    encoded = "".join(map(_Q.__getitem__, text.encode()))
    if len(encoded) >= 2 * len(text):
        # Nine characters are at most 36 octets, so 48 of base64.
        return [f"=?utf-8?b?{_base64(text[at : at + 9])}?=" for at in range(0, len(text), 9)]
    # Of each line, 12 octets are "=?utf-8?q?" and "?=".
    words, start, room = [], 0, _MAX_LINE - column - 12
    while len(encoded) - start > room:
        stop = start + room
        stop -= 1 if encoded[stop - 1] == "=" else 2 if encoded[stop - 2] == "=" else 0
        while encoded.startswith(_CONTINUES, stop):
            stop -= 3
        words.append(encoded[start:stop])
        start, room = stop, _MAX_LINE - 1 - 12
    return [f"=?utf-8?q?{word}?=" for word in (*words, encoded[start:])]


def _base64(text: str) -> str:
    return b2a_base64(text.encode(), newline=False).decode("ascii")


# Characters that need no encoding even in a display name (RFC 2047 section 5).
_UNENCODED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
_Q = [
    "_" if octet == ord(" ") else chr(octet) if chr(octet) in _UNENCODED else f"={octet:02X}"
    for octet in range(256)
]
_CONTINUES = ("=8", "=9", "=A", "=B")  # the start of each octet of a UTF-8 character after its first
