"""Links to the operator's product: a configured base and a path below it, which no data can leave or climb in."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

_UNRESERVED = re.compile(r"[A-Za-z0-9_~-]+").fullmatch  # RFC 3986, section 2.3, without the dot
_SEGMENT = r"(?:[A-Za-z0-9_~-]+|\{[A-Za-z_][A-Za-z0-9_]*\})"
LINK_PATTERN = rf"^{_SEGMENT}(?:/{_SEGMENT})*$"
"""A path of words and of fields of the event's data: `lots/{lot_id}/messages`."""
_LONGEST_PART = 2000  # characters; a token in a link may be a JWT


def quoted_part(text: str) -> str:
    """Return text as one part of a path, slashes encoded too. Raise ValueError for "." and "..", which climb."""
    if _UNRESERVED(text):
        return text
    if text in (".", ".."):
        raise ValueError("a part of a link must not be '.' or '..'")
    return quote(text, safe="", errors="replace")


def link_fields(path: str) -> tuple[str, ...]:
    """Return the names of the data fields in the path of a link."""
    return tuple(field for _, field in _pieces(path) if field)


def linked_url(base: str, path: str, data: Mapping[str, Any]) -> str:
    """Return the URL of a path below a base, which ends without a slash.

    It ends before the first field that has no value, or one that no path can have: `lots/{lot_id}/messages` without
    a lot is the page of all lots.
    """
    url = base
    for words, field in _pieces(path):
        url += words
        if field:
            value = data.get(field)
            text = "" if value is None else str(value)
            if not text or len(text) > _LONGEST_PART or text in (".", ".."):
                break
            url += f"/{quoted_part(text)}"
    return url


@lru_cache(maxsize=1024)
def _pieces(path: str) -> tuple[tuple[str, str], ...]:
    """Return the words of a path, each with the field that follows them; "" where none does."""
    pieces, words = list[tuple[str, str]](), ""
    for segment in path.split("/"):
        if segment.startswith("{"):
            pieces.append((words, segment[1:-1]))
            words = ""
        else:
            words += f"/{segment}"
    return (*pieces, (words, "")) if words else tuple(pieces)
