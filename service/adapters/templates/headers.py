"""Header values as bytes: folded, encoded by us (RFC 2047), never able to start a header of their own.

Nothing that came from outside can pass for an encoded-word: text that holds "=?" is itself encoded. CPython 3.11's
`EmailMessage` decodes such a text and writes what it finds (CVE-2024-6923 is the same fault).
"""

import re
from binascii import b2a_base64
from email.utils import formatdate
from functools import lru_cache

from service.adapters.smtp.addresses import address_domain, ascii_address
from service.ports import RenderFailed

_BREAK = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search
_BREAKS = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_READABLE = re.compile("[!-~]{1,60}+(?: [!-~]{1,60}+)*+").fullmatch
_ATOMS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,40}+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,40}+)*+"
).fullmatch
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}").fullmatch
_LINE = 76  # RFC 2047 section 2; RFC 5322 section 2.1.1 asks for 78
_OWN = re.compile(
    r"(?i)from|to|cc|bcc|sender|subject|date|message-id|mime-version|content-.*|auto-submitted|list-id|feedback-id"
    r"|return-path|received|dkim-signature"
).fullmatch


def one_line(text: str) -> str:
    """Text for a header or an inbox: control characters and line ends of any kind become single spaces."""
    if _READABLE(text):
        return text
    broken = "  " in text or _BREAK(text)
    return (_BREAKS.sub(" ", text) if broken else text).strip(" ")


def unstructured(name: str, text: str) -> bytes:
    """`Name: text` with CRLF, for free text such as a subject; lines of at most 78 octets."""
    text = one_line(text)
    if "=?" in text or not _READABLE(text):
        return _folded(f"{name}:", _encoded_words(text, len(name) + 2))
    if len(name) + len(text) <= 75:
        return f"{name}: {text}\r\n".encode("ascii")
    return _folded(f"{name}:", text.split(" "))


def mailbox(header: str, name: str, address: str) -> bytes:
    """`To: Name <address>` with CRLF: exactly one address, its domain as A-labels (RFC 5322 section 3.4, RFC 6532).

    Raises RenderFailed for anything but one addr-spec; nothing is repaired, for that could name somebody else.
    """
    if "=?" in address or address_domain(address) is None:
        raise RenderFailed("the address is not exactly one addr-spec")
    spec = f"<{address if address.isascii() else ascii_address(address) or address}>"
    name = one_line(name)
    if _ATOMS(name) and "=?" not in name:
        words = name.split(" ")
    elif _READABLE(name) and "=?" not in name and len(name) <= 60:
        words = ['"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"']
    else:
        words = _encoded_words(name, len(header) + 2)
    return _folded(f"{header}:", [*words, spec])


def given(name: str, value: str) -> bytes:
    """A header that another part of Tocsin made, as it stands. Raises RenderFailed when it could be more than one."""
    if not _may_add(name):
        raise RenderFailed(f"the header name {name[:64]!r} may not be added")
    plain = value.isascii() and value.isprintable() and "  " not in value and value == value.strip()
    if not plain or not 0 < len(value) <= 950 or "=?" in value:
        raise RenderFailed(f"the value of {name} is not one line of printable ASCII")
    if len(name) + len(value) <= 76 or " " not in value:
        return f"{name}: {value}\r\n".encode("ascii")
    return _folded(f"{name}:", value.split(" "))


@lru_cache(maxsize=256)
def _may_add(name: str) -> bool:
    return bool(_NAME(name)) and not _OWN(name)


@lru_cache(maxsize=256)
def date(ms: int) -> bytes:
    """The Date header of a time in milliseconds since the epoch, in UTC."""
    return f"Date: {formatdate(ms // 1000)[:-5]}+0000\r\n".encode("ascii")


def _folded(start: str, words: list[str]) -> bytes:
    """Words joined by spaces, broken before a word that would pass column 76."""
    whole = f"{start} {' '.join(words)}\r\n"
    if len(whole) <= _LINE + 2:
        return whole.encode()
    lines, line = [], start
    for word in words:
        if len(line) + 1 + len(word) > _LINE and line not in ("", start):
            lines.append(line)
            line = ""
        line = f"{line} {word}"
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("utf-8")


def _encoded_words(text: str, column: int) -> list[str]:
    """RFC 2047 encoded-words of whole characters: Q while that is shorter, else B; the first begins at `column`."""
    coded = "".join(map(_Q.__getitem__, text.encode()))
    if len(coded) >= 2 * len(text):
        # Nine characters are at most 36 octets, so 48 of base64.
        return [f"=?utf-8?b?{_base64(text[at : at + 9])}?=" for at in range(0, len(text), 9)]
    words, start, room = [], 0, _LINE - column - 12
    while len(coded) - start > room:
        stop = start + room
        stop -= 1 if coded[stop - 1] == "=" else 2 if coded[stop - 2] == "=" else 0
        while coded.startswith(_CONTINUES, stop):
            stop -= 3
        words.append(coded[start:stop])
        start, room = stop, _LINE - 1 - 12
    return [f"=?utf-8?q?{word}?=" for word in (*words, coded[start:])]


def _base64(text: str) -> str:
    return b2a_base64(text.encode(), newline=False).decode("ascii")


# What may stand for itself even in a display name (RFC 2047 section 5).
_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
_Q = [
    "_" if octet == ord(" ") else chr(octet) if chr(octet) in _SAFE else f"={octet:02X}"
    for octet in range(256)
]
_CONTINUES = ("=8", "=9", "=A", "=B")  # the octets of a character after its first
