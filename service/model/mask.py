"""What people read: addresses masked, and what could control a terminal or a page made visible.

Masking hides too much rather than too little.
"""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "•••"

# An at-sign as text, fullwidth or small, in a URL, in JSON, in HTML; with the blanks around it that RFC 5322 allows.
_AT = re.compile(r"(?:[@＠﹫]|%40|\\u0040|&#0*64;|&#x0*40;|&commat;)", re.IGNORECASE)
_BLANKS = re.compile(r"\s*")
_DELIMITERS = frozenset(" \t\r\n\"'<>,;:@＠﹫[]")
_DOMAIN = re.compile(r"""\[[^\]\r\n]{0,255}\]?|[^\s"'<>,;:@＠﹫\[\]{}|\\/?#&=%]+""")
_LONGEST_LOCAL = 320  # RFC 5321 allows 64 octets; the bound keeps the search linear


NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"


def mask_text(text: str) -> str:
    """Return the text with every address in it as `a•••@e•••.com`. Idempotent."""
    done, parts = 0, []
    for sign in _AT.finditer(text):
        if sign.start() < done:
            continue
        begin = _begin(text, sign.start(), done)
        after = _BLANKS.match(text, sign.end())
        match = _DOMAIN.match(text, after.end() if after else sign.end())
        domain = match.group().rstrip(".!") if match else ""
        near = text[sign.start() - 1 : sign.start()].strip() and text[sign.end() : sign.end() + 1].strip()
        if begin == sign.start() or not (near or "." in domain):
            continue  # `@name`; or `3 @ 5`: with blanks around the sign, an address has at least a whole domain
        parts += [text[done:begin], _initial(text[begin : sign.start()]), "@", _domain(domain)]
        done = (match.start() if match else sign.end()) + len(domain)
    return "".join((*parts, text[done:])) if parts else text


def mask_value(value: Any) -> Any:
    """Return a value as JSON can hold it, with every address in it masked, in keys and at any depth."""
    match value:
        case None | bool() | int() | float():
            return value
        case bytes():
            return mask_text(value.decode("utf-8", "replace"))
        case Mapping():
            return {mask_value(key): mask_value(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [mask_value(item) for item in value]
    return mask_text(str(value))


def mask_name(text: str) -> str:
    """Return the first character of a person's name or telephone number, and the mask."""
    return f"{text[0]}{HIDDEN}" if text else text


def printable(text: str) -> str:
    """Return text that can control neither a terminal nor the order of what is beside it on a page.

    Control, invisible and direction characters become escapes. The narrow space that groups digits stays.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == NARROW_SPACE else _escape(ord(c)) for c in text)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _begin(text: str, end: int, floor: int) -> int:
    """Return the position where the local part that ends at `end` begins; `end` where there is none."""
    floor = max(floor, end - _LONGEST_LOCAL)
    while end > floor and text[end - 1].isspace():
        end -= 1
    begin = end
    if text[begin - 1 : begin] == '"':
        quote = text.rfind('"', floor, begin - 1)
        while quote > floor and text[quote - 1] == "\\" and text[begin - 2] != "\\":
            quote = text.rfind('"', floor, quote)
        if quote >= 0:
            return quote
        begin -= 1
    while begin > floor and text[begin - 1] not in _DELIMITERS:
        begin -= 1
    return begin


def _initial(local: str) -> str:
    return next((character for character in local if character.isalnum()), "") + HIDDEN


def _domain(name: str) -> str:
    """Return the first letter and the last label of a domain, where that is a word."""
    if not name[:1].isalnum():
        return HIDDEN if name else ""
    head, _, last = name.rpartition(".")
    return f"{name[0]}{HIDDEN}.{last}" if head and last.isalpha() else f"{name[0]}{HIDDEN}"
