"""Links to the operator's product, and the origins of the web pages that may call the API.

A link is a configured base and a path below it, which no data can leave or climb in.
"""

import json
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
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<any>\*\.)?"
    r"(?P<host>[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*|\[[0-9a-f:.]{2,45}\])(?::(?P<port>\*|[0-9]{1,5}))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


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


def origin_patterns(text: str) -> tuple[re.Pattern[str], ...]:
    """Return the patterns of a list of origins (RFC 6454, section 6.2), separated by commas or as JSON.

    `*` stands for one label at the beginning of a host (`https://*.example.com`), or for any port. It cannot stand for
    a whole host: then every page could call the API with a token that it has got hold of. Raise ValueError.
    """
    parts = json.loads(text) if text.lstrip().startswith("[") else text.split(",")
    return tuple(_origin_pattern(text) for part in parts if (text := str(part).strip()))


def _origin_pattern(text: str) -> re.Pattern[str]:
    parts = _ORIGIN.fullmatch(text)
    if parts is None or (parts["any"] and "." not in parts["host"]):
        raise ValueError(
            f"{text[:200]!r} is not an origin: write scheme, host in lower case and ASCII, and port, such as "
            "https://app.example.com, https://*.example.com or http://localhost:3000"
        )
    host = (r"[a-z0-9-]{1,63}\." if parts["any"] else "") + re.escape(parts["host"])
    port = parts["port"]
    if port == "*":
        suffix = "(?::[0-9]{1,5})?"
    else:  # a browser leaves out the default port
        suffix = "" if port in (None, _DEFAULT_PORTS[parts["scheme"]]) else f":{port}"
    return re.compile(f"{parts['scheme']}://{host}{suffix}")


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
