"""Hides addresses in what people read: logs, `tocsin tail`, errors. Better too much than one too few."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "•••"

# An at-sign as text, in its wide forms, in a URL, in JSON, in HTML, with the blanks that RFC 5322 allows around it.
_AT = re.compile(r"(?:[@＠﹫]|%40|\\u0040|&#0*64;|&#x0*40;|&commat;)", re.IGNORECASE)
_BLANKS = re.compile(r"\s*")
_DELIMITERS = frozenset(" \t\r\n\"'<>,;:@＠﹫[]")
_DOMAIN = re.compile(r"""\[[^\]\r\n]{0,255}\]?|[^\s"'<>,;:@＠﹫\[\]{}|\\/?#&=%]+""")
_LONGEST_LOCAL = 320  # RFC 5321 allows 64 octets; the bound keeps the search linear


def mask_text(text: str) -> str:
    """The text with every address in it as `a•••@e•••.com`. Harmless when done twice."""
    done, parts = 0, []
    for sign in _AT.finditer(text):
        if sign.start() < done:
            continue
        begin = _begin(text, sign.start(), done)
        after = _BLANKS.match(text, sign.end())
        found = _DOMAIN.match(text, after.end() if after else sign.end())
        domain = found.group().rstrip(".!") if found else ""
        near = text[sign.start() - 1 : sign.start()].strip() and text[sign.end() : sign.end() + 1].strip()
        if begin == sign.start() or not (near or "." in domain):
            continue  # `@name`; or `3 @ 5`: with blanks around the sign, an address has at least a whole domain
        parts += [text[done:begin], _initial(text[begin : sign.start()]), "@", _domain(domain)]
        done = (found.start() if found else sign.end()) + len(domain)
    return "".join((*parts, text[done:])) if parts else text


def mask_value(value: Any) -> Any:
    """A value as JSON can hold it, with every address in it masked, in keys and at any depth."""
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
    """A person's name, or a telephone number, as its first character."""
    return f"{text[0]}{HIDDEN}" if text else text


def _begin(text: str, end: int, floor: int) -> int:
    """Where the local part that ends here begins; `end` where there is none."""
    floor = max(floor, end - _LONGEST_LOCAL)
    while end > floor and text[end - 1].isspace():
        end -= 1
    begin = end
    if text[begin - 1 : begin] == '"':
        opening = text.rfind('"', floor, begin - 1)
        while opening > floor and text[opening - 1] == "\\" and text[begin - 2] != "\\":
            opening = text.rfind('"', floor, opening)
        if opening >= 0:
            return opening
        begin -= 1
    while begin > floor and text[begin - 1] not in _DELIMITERS:
        begin -= 1
    return begin


def _initial(local: str) -> str:
    return next((character for character in local if character.isalnum()), "") + HIDDEN


def _domain(name: str) -> str:
    """The first letter and the last label, where that is a word."""
    if not name[:1].isalnum():
        return HIDDEN if name else ""
    head, _, last = name.rpartition(".")
    return f"{name[0]}{HIDDEN}.{last}" if head and last.isalpha() else f"{name[0]}{HIDDEN}"
